import ArgumentParser
import Descent
import Figures
import Foundation
import Training

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a small classifier on a CSV file, by any rules on any devices.",
    discussion: """
      The last column is the class, a number or a word; all others are numbers. A header line is \
      found by itself. A fifth of each class is kept for the test. The digest is of the final \
      parameters' bits: for a rule it must be the same on every device.

      Rates, unless --learning-rate says otherwise: \
      \(Rules.all.map { "\($0.name) \($0.digitsLearningRate)" }.joined(separator: ", ")). \
      muon trains the weights, with adamw for the biases.

      With --checkpoint one rule on one device saves its whole state after each epoch, or as often \
      as --checkpoint-every says, and at the end; --resume goes on from there, and ends with the \
      bits of a run that never stopped, also on another device. More --epochs make a run longer.

      JSON: results of rule, device, learningRate, steps, finalLoss, trainAccuracy, testAccuracy, \
      millisecondsPerStep (left out where no step was left to take), digest, losses; of rule, \
      device, learningRate, error where a rule could not run on a device. Numbers that JSON cannot \
      hold are the strings nan, inf and -inf.

      Exit status 1 if a rule's digests differ between devices that promise the same bits, or if \
      one could not run.
      """)

  @Option(help: "The CSV file.", completion: .file(extensions: ["csv"]))
  var data: String

  @Option(
    help: rulesHelp,
    completion: .list(Rules.all.map { $0.name } + ["all"]))
  var rule = "adam"

  @Option(
    help: "\(SelectedEngine.names), several between commas, or all.",
    completion: .list(["automatic", "cpu", "reference", "opencl", "all"]))
  var device = "automatic"

  @Option(parsing: .unconditional, help: "Units of the hidden layer.")
  var hidden = 64

  @Option(parsing: .unconditional, help: "Passes over the training part.")
  var epochs = 20

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Examples in a batch. Otherwise 32, and all of them for rprop."))
  var batch: Int?

  @Option(help: "Of the split, the starting point and the batches.")
  var seed: UInt64 = 1

  @Option(parsing: .unconditional, help: "For every rule; otherwise each has its own.")
  var learningRate: Double?

  @Option(
    help: ArgumentHelp(
      "Save the run here, whole or not at all.", valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var checkpoint: String?

  @Option(parsing: .unconditional, help: "Steps from one save to the next; otherwise an epoch's.")
  var checkpointEvery: Int?

  @Flag(help: "Go on from the checkpoint, if it is there.")
  var resume = false

  @Option(
    help: ArgumentHelp("Draw the loss curves.", valueName: "file.svg"),
    completion: .file(extensions: ["svg"]))
  var plot: String?

  @OptionGroup var json: JSONOption

  func validate() throws {
    let limit = 1_000_000
    for (name, value) in [("hidden", hidden), ("epochs", epochs), ("batch", batch ?? 32)]
    where !(1...limit).contains(value) {
      throw ValidationError("--\(name) is \(value); allowed is 1 to \(limit)")
    }
    for type in try selectedRules(rule) {
      do {
        try Trainer.rule(type, learningRate: learningRate).validate()
      } catch {
        throw ValidationError("\(error)")
      }
    }
    let engines = try SelectedEngine.parse(device)
    if checkpoint == nil && (resume || checkpointEvery != nil) {
      throw ValidationError("--resume and --checkpoint-every need --checkpoint")
    }
    if let every = checkpointEvery, every < 1 {
      throw ValidationError("--checkpoint-every is \(every); allowed is 1 or more")
    }
    if checkpoint != nil, try selectedRules(rule).count * engines.count != 1 {
      throw ValidationError("--checkpoint is for one rule on one device")
    }
  }

  func run() throws {
    let console = json.console
    let checkpoint = checkpoint.map {
      TrainingCheckpoint(path: $0, interval: checkpointEvery, resumes: resume)
    }
    if let checkpoint, checkpoint.isNoFile {
      throw ValidationError(
        "--checkpoint is \(checkpoint.path), which is no file; allowed is the name of one")
    }
    if let checkpoint, !resume && checkpoint.exists {
      throw ValidationError(
        "\(checkpoint.path) is there; allowed is --resume, which goes on from it, or another name")
    }
    try checkpoint?.checkFolder()
    if let checkpoint, resume && !checkpoint.exists {
      try console.print("\(checkpoint.path) is not there yet: the run begins")
    }
    let (training, test) = try Dataset.load(path: data).split(seed: seed)
    let trainer = Trainer(
      training: training.standardised(by: training), test: test.standardised(by: training),
      hidden: hidden, epochs: epochs, batch: batch, seed: seed, checkpoint: checkpoint)
    try console.print(
      "\(data): \(training.count) examples to train on, \(test.count) to test on, "
        + "\(training.featureCount) features, \(training.classes.count) classes")

    let rules = try selectedRules(rule)
    try trainer.checkMemory(rules)
    let engines = try SelectedEngine.parse(device)
    var bar = ProgressBar("training", total: rules.count * engines.count * epochs)
    var done = 0
    var results: [Result] = []
    for type in rules {
      let rule = Trainer.rule(type, learningRate: learningRate)
      for engine in engines {
        let outcome: Trainer.Outcome
        do {
          outcome = try trainer.run(rule, on: engine.choice) { epoch in
            bar.update(done + epoch)
          }
        } catch  where checkpoint == nil {
          done += epochs
          results.append(Result(type.name, engine.name, rule, error))
          continue
        }
        if let checkpoint, outcome.resumedSteps > 0 {
          bar.erase()
          let (steps, end) = (outcome.resumedSteps, trainer.stepsPerEpoch(of: rule) * epochs)
          let state =
            steps < end
            ? "went on after step \(steps)"
            : "the run is at step \(steps), and \(epochs) epochs end at \(end): no step was taken; "
              + "more --epochs make it longer"
          try console.print("\(checkpoint.path): \(state)")
        }
        done += epochs
        results.append(
          Result(type.name, engine.name, rule, outcome, trainer.stepsPerEpoch(of: rule) * epochs))
      }
    }
    bar.erase()

    try console.print(Self.table(results))
    let failures = results.compactMap { result in
      result.error.map { "\(result.rule) on \(result.device): \($0)" }
    }
    for failure in failures { try console.print(failure) }
    try json.write(results, of: "train")
    if let plot, failures.count < results.count {
      let chart = Self.chart(results, data)
      try OutputFile(path: plot, content: "the loss curves").write(chart.svg())
      try console.print("Loss curves: \(plot)")
    }
    let exact = Set(engines.filter { $0.promisesSameBits }.map { $0.name })
    let apart = Self.rulesWithSeveralDigests(results.filter { exact.contains($0.device) })
    if !apart.isEmpty {
      try console.print("Not the same bits on every device: \(apart.joined(separator: ", "))")
    }
    if !apart.isEmpty || !failures.isEmpty { throw ExitCode.failure }
  }

  private static func rulesWithSeveralDigests(_ results: [Result]) -> [String] {
    Dictionary(grouping: results) { $0.rule }
      .filter { Set($0.value.compactMap { $0.digest }).count > 1 }.keys.sorted()
  }

  private static func table(_ results: [Result]) -> Table {
    var table = Table(
      .left("rule"), .left("device"), .right("rate"), .right("loss"), .right("train"),
      .right("test"), .right("ms/step"), .left("digest"))
    for result in results {
      table.append(
        result.rule, result.device, "\(result.learningRate)",
        result.finalLoss.map { decimals($0, 5) } ?? "failed", percent(result.trainAccuracy),
        percent(result.testAccuracy), result.millisecondsPerStep.map { decimals($0, 4) } ?? "",
        result.digest ?? "")
    }
    return table
  }

  private static func percent(_ share: Double?) -> String {
    share.map { decimals(100 * $0, 1) + "%" } ?? ""
  }

  private static func decimals(_ value: Double, _ count: Int) -> String {
    guard value.isFinite else { return value.isNaN ? "nan" : "\(value)" }
    return String(format: abs(value) < 1e5 ? "%.\(count)f" : "%.3g", value)
  }

  /// One curve for each rule: on every device it is the same.
  private static func chart(_ results: [Result], _ data: String) -> LineChart {
    var seen: Set<String> = []
    let series = results.compactMap { result -> Series? in
      guard let losses = result.losses, seen.insert(result.rule).inserted else { return nil }
      return Series(
        name: result.rule, points: losses.enumerated().map { (x: Double($0.offset), y: $0.element) }
      )
    }
    return LineChart(
      title: "Training loss by rule",
      description: "Mean training loss after each epoch on \(data), for "
        + series.map(\.name).joined(separator: ", "),
      xLabel: "epoch", yLabel: "training loss", yScale: .logarithmic, series: series)
  }

  /// One rule on one device.
  struct Result: Encodable {
    let rule: String
    let device: String
    let learningRate: Double
    var steps: Int?
    var finalLoss: Double?
    var trainAccuracy: Double?
    var testAccuracy: Double?
    var millisecondsPerStep: Double?
    var digest: String?
    var losses: [Double]?
    /// Why there are no results.
    var error: String?

    init(
      _ name: String, _ device: String, _ rule: any UpdateRule, _ outcome: Trainer.Outcome,
      _ steps: Int
    ) {
      self.rule = name
      self.device = device
      self.steps = steps
      learningRate = rule.learningRate
      finalLoss = outcome.finalLoss
      trainAccuracy = outcome.trainAccuracy
      testAccuracy = outcome.testAccuracy
      millisecondsPerStep = outcome.millisecondsPerStep
      digest = outcome.digest.description
      losses = outcome.losses
    }

    /// A rule that could not run.
    init(_ name: String, _ device: String, _ rule: any UpdateRule, _ error: any Error) {
      (self.rule, self.device, learningRate) = (name, device, rule.learningRate)
      self.error = "\(error)"
    }
  }
}
