import Descent
import Foundation

/// Trains a classifier on a data set by one rule on one engine: what a user of the library writes.
struct Trainer {
  let training: Dataset
  let test: Dataset
  var hidden = 64
  var epochs = 20
  var batch = 32
  var seed: UInt64 = 1
  var checkpoint: TrainingCheckpoint?
  /// Called with the number of each step once it is taken, and saved if it is to be.
  var afterStep: (_ step: Int) -> Void = { _ in }

  struct Outcome {
    /// How many steps an earlier part of the run had taken.
    var resumedSteps = 0
    /// The mean training loss before the first epoch and after each.
    var losses: [Double] = []
    var finalLoss = 0.0
    var trainAccuracy = 0.0
    var testAccuracy = 0.0
    /// The median of the optimizer's steps alone; nil if there was none.
    var millisecondsPerStep: Double?
    /// Of the final parameters.
    var digest = Digest()
  }

  var stepsPerEpoch: Int { (training.count + batch - 1) / batch }

  /// The same seed gives the same starting point and the same batches to every rule and engine, and
  /// to a run that goes on from a checkpoint.
  func run(
    _ rule: any UpdateRule, on choice: EngineChoice, progress: (_ epoch: Int) -> Void = { _ in }
  ) throws -> Outcome {
    var classifier = Classifier(
      featureCount: training.featureCount, hiddenCount: hidden, classCount: training.classes.count)
    var parameters = classifier.initialParameters(seed: seed)
    var gradients = [Float](repeating: 0, count: parameters.count)

    var layout = ParameterLayout()
    for tensor in classifier.tensors { try layout.append(tensor.name, shape: tensor.shape) }
    let optimizer = try Optimizer(rule, layout: layout, on: choice)

    var generator = SplitMix64(seed: seed &+ 1)
    var order = Array(0..<training.count)
    var outcome = Outcome()
    var stepTimes: [Duration] = []
    let clock = ContinuousClock()

    var run = self.run
    if let checkpoint, checkpoint.resumes && checkpoint.exists {
      outcome.losses = try checkpoint.load(into: optimizer, &parameters, as: run)
      outcome.resumedSteps = try optimizer.stepCount
    } else {
      outcome.losses.append(
        Double(classifier.evaluate(parameters: parameters, on: training).loss))
    }
    var saved = outcome.resumedSteps
    func save() throws {
      run.losses = outcome.losses
      try checkpoint?.save(optimizer, parameters, run)
      saved = try optimizer.stepCount
    }
    for epoch in 1...epochs {
      // Also in the epochs that are over: one order is shuffled into the next.
      generator.shuffle(&order)
      for (batchIndex, start) in stride(from: 0, to: order.count, by: batch).enumerated() {
        let step = (epoch - 1) * stepsPerEpoch + batchIndex + 1
        if step <= outcome.resumedSteps { continue }
        let rows = order[start..<min(start + batch, order.count)]
        _ = classifier.lossAndGradient(
          parameters: parameters, of: training, rows: rows, gradient: &gradients)
        let begin = clock.now
        try optimizer.step(&parameters, gradients: gradients)
        stepTimes.append(clock.now - begin)
        if let interval = checkpoint?.interval, step % interval == 0 { try save() }
        afterStep(step)
      }
      if outcome.losses.count <= epoch {
        let iterate = try Self.iterate(of: optimizer, parameters)
        outcome.losses.append(Double(classifier.evaluate(parameters: iterate, on: training).loss))
      }
      if try checkpoint?.interval == nil && optimizer.stepCount > saved { try save() }
      progress(epoch)
    }
    if try optimizer.stepCount > saved { try save() }

    if optimizer.hasEvaluationPoint { try optimizer.settle(&parameters) }
    let trained = classifier.evaluate(parameters: parameters, on: training)
    outcome.finalLoss = Double(trained.loss)
    outcome.trainAccuracy = trained.accuracy
    outcome.testAccuracy = classifier.evaluate(parameters: parameters, on: test).accuracy
    outcome.millisecondsPerStep = Self.median(stepTimes).map { $0 / .milliseconds(1) }
    outcome.digest = Digest(parameters)
    return outcome
  }

  /// What to evaluate in the middle of training: Nesterov's parameters are its look-ahead point.
  private static func iterate(of optimizer: Optimizer, _ parameters: [Float]) throws -> [Float] {
    guard optimizer.hasEvaluationPoint else { return parameters }
    var iterate = parameters
    try optimizer.writeIterate(from: parameters, into: &iterate)
    return iterate
  }

  /// What a checkpoint holds of this run beside the optimizer.
  private var run: TrainingCheckpoint.Run {
    var digest = Digest(training.features)
    digest.combine(training.labels.map { Float($0) })
    return TrainingCheckpoint.Run(
      data: digest.description, seed: seed, batch: batch, hidden: hidden, losses: [])
  }

  /// Throws ``MemoryShortage`` where a run by one of these rules needs more than there is: what an
  /// array cannot get ends the process.
  func checkMemory(_ rules: [any UpdateRule.Type], limit: Int = MemoryLimits(devices: []).host)
    throws
  {
    let count = Classifier.parameterCount(
      training.featureCount, hidden, training.classes.count)
    let states = rules.map { $0.init().stateNames.count }.max() ?? 0
    // Parameters, twice while they are made; gradients, the transposed weights, the average or the
    // iterate, and what a device or a checkpoint carries.
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

  private static func median(_ times: [Duration]) -> Duration? {
    times.isEmpty ? nil : times.sorted()[times.count / 2]
  }
}

extension Trainer {
  /// The rule with the rate given, or else with the one that suits the digits.
  static func rule(_ type: any UpdateRule.Type, learningRate: Double?) -> any UpdateRule {
    var rule: any UpdateRule = type.init()
    rule.learningRate = learningRate ?? type.digitsLearningRate
    return rule
  }
}
