import Descent
import Training

extension Trainer {
  /// Throws ``MemoryShortage`` where a run by one of these rules needs more than there is: what an
  /// array cannot get ends the process.
  func checkMemory(_ rules: [any UpdateRule.Type], limit: Int = MemoryLimits(devices: []).host)
    throws
  {
    let count = Classifier.parameterCount(
      training.featureCount, hidden, training.classes.count)
    let states = rules.map { $0.init().stateNames.count }.max() ?? 0
    // Parameters, twice while they are made; gradients, the transposed weights, the average or the
    // iterate, and the copies for a device or a checkpoint.
    let need = (6 + states) * count * MemoryLayout<Float>.stride
    // The system may grant one process less than the machine has left.
    guard need <= limit, (try? Descent.checkMemory(need, stride: 1)) != nil else {
      throw MemoryShortage(hidden: hidden, count: count, need: need, limit: min(limit, need))
    }
  }

  struct MemoryShortage: Error, CustomStringConvertible {
    let hidden: Int
    let count: Int
    let need: Int
    let limit: Int

    var description: String {
      "--hidden \(hidden) makes \(count) parameters, which need \(gibibytes(need)) of memory; "
        + (limit < need ? "\(gibibytes(limit)) can be had" : "the system does not grant that")
    }
  }
}
