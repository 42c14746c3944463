import Descent
import Foundation

/// Trains a classifier on a data set with one rule on one engine, in code as a user of the library
/// writes it.
package struct Trainer {
  package let training: Dataset
  package let test: Dataset
  package var hidden = 64
  package var epochs = 20
  /// Examples in a batch; nil for as many as the rule trains well with.
  package var batch: Int?
  package var seed: UInt64 = 1
  package var checkpoint: TrainingCheckpoint?
  /// Called with the number of each step after the step, and after it is saved if that is due.
  package var afterStep: (_ step: Int) -> Void = { _ in }

  /// - Parameters: as the properties of these names.
  package init(
    training: Dataset, test: Dataset, hidden: Int = 64, epochs: Int = 20, batch: Int? = nil,
    seed: UInt64 = 1, checkpoint: TrainingCheckpoint? = nil
  ) {
    (self.training, self.test, self.hidden, self.epochs) = (training, test, hidden, epochs)
    (self.batch, self.seed, self.checkpoint) = (batch, seed, checkpoint)
  }

  package struct Outcome {
    /// The number of steps that an earlier part of the run had taken.
    package var resumedSteps = 0
    /// The mean training loss before the first epoch and after each.
    package var losses: [Double] = []
    package var finalLoss = 0.0
    package var trainAccuracy = 0.0
    package var testAccuracy = 0.0
    /// The median time of the optimizer's steps alone; nil if no step was taken.
    package var millisecondsPerStep: Double?
    /// The digest of the final parameters.
    package var digest = Digest()
  }

  package func stepsPerEpoch(of rule: any UpdateRule) -> Int {
    let batch = batchSize(of: rule)
    return (training.count + batch - 1) / batch
  }

  private func batchSize(of rule: any UpdateRule) -> Int {
    batch ?? (type(of: rule).needsWholeBatches ? training.count : 32)
  }

  /// Trains with a rule. The same seed gives the same starting point and the same batches to every
  /// rule and engine, and to a run that resumes from a checkpoint.
  package func run(
    _ rule: any UpdateRule, on choice: EngineChoice, progress: (_ epoch: Int) -> Void = { _ in }
  ) throws -> Outcome {
    var classifier = Classifier(
      featureCount: training.featureCount, hiddenCount: hidden, classCount: training.classes.count)
    var parameters = classifier.initialParameters(seed: seed)
    var gradients = [Float](repeating: 0, count: parameters.count)
    var iterate = parameters

    var layout = ParameterLayout()
    for tensor in classifier.tensors { try layout.append(tensor.name, shape: tensor.shape) }
    var others: [String: any UpdateRule] = [:]
    if rule.needsMatrices {
      layout.assign(to: "vectors") { $0.shape.count < 2 }
      others["vectors"] = AdamW(learningRate: AdamW.digitsLearningRate)
    }
    let optimizer = try Optimizer(rule, layout: layout, rules: others, on: choice)

    let (batch, stepsPerEpoch) = (batchSize(of: rule), stepsPerEpoch(of: rule))
    var generator = SplitMix64(seed: seed &+ 1)
    var order = Array(0..<training.count)
    var outcome = Outcome()
    var stepTimes: [Duration] = []
    let clock = ContinuousClock()

    var run = self.run(batch: batch)
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
      // Also in the epochs that are completed: each order is a shuffle of the one before.
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
        // The point to evaluate, which for some rules is not the parameters.
        try optimizer.writeIterate(from: parameters, into: &iterate)
        outcome.losses.append(Double(classifier.evaluate(parameters: iterate, on: training).loss))
      }
      if try checkpoint?.interval == nil && optimizer.stepCount > saved { try save() }
      progress(epoch)
    }
    if try optimizer.stepCount > saved { try save() }

    try optimizer.settle(&parameters)
    let trained = classifier.evaluate(parameters: parameters, on: training)
    outcome.finalLoss = Double(trained.loss)
    outcome.trainAccuracy = trained.accuracy
    outcome.testAccuracy = classifier.evaluate(parameters: parameters, on: test).accuracy
    outcome.millisecondsPerStep = Self.median(stepTimes).map { $0 / .milliseconds(1) }
    outcome.digest = Digest(parameters)
    return outcome
  }

  /// What a checkpoint holds of this run beside the optimizer.
  private func run(batch: Int) -> TrainingCheckpoint.Run {
    var digest = Digest(training.features)
    digest.combine(training.labels.map { Float($0) })
    return TrainingCheckpoint.Run(
      data: digest.description, seed: seed, batch: batch, hidden: hidden, losses: [])
  }

  private static func median(_ times: [Duration]) -> Duration? {
    times.isEmpty ? nil : times.sorted()[times.count / 2]
  }
}

extension Trainer {
  /// The rule with the given learning rate, or with its rate for the digits.
  package static func rule(_ type: any UpdateRule.Type, learningRate: Double?) -> any UpdateRule {
    var rule: any UpdateRule = type.init()
    rule.learningRate = learningRate ?? type.digitsLearningRate
    return rule
  }
}
