import Descent

extension Digest {
  /// Of the parameters in tensors, and of all states.
  package init(of optimizer: Optimizer, _ parameters: [Float]) throws {
    self.init()
    for tensor in optimizer.layout.tensors { combine(Array(parameters[tensor.range])) }
    for name in optimizer.stateNames { combine(try optimizer.state(name)) }
  }
}

/// What a run leaves: bits, counts, and what steps decided.
package struct RunOutcome: Equatable {
  package let digest: Digest
  package let steps: Int
  package let skipped: Int
  package let groupSteps: [Int]
  /// NaN is one number here.
  package let norm: UInt64?
  package let scale: LossScale?

  package init(_ optimizer: Optimizer, _ parameters: [Float]) throws {
    digest = try Digest(of: optimizer, parameters)
    (steps, skipped) = try (optimizer.stepCount, optimizer.skippedStepCount)
    groupSteps = try optimizer.layout.groupNames.map(optimizer.stepCount(ofGroup:))
    norm = try optimizer.lastNorm.map { $0.isNaN ? Double.nan.bitPattern : $0.bitPattern }
    scale = try optimizer.lossScale
  }
}
