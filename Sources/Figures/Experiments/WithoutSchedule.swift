import Descent
import Training

extension Figure {
  /// Schedule-Free SGD beside a cosine and a constant rate.
  static let withoutSchedule = Figure(name: "without-schedule") {
    try WithoutSchedule(on: $0).result
  }
}

/// SGD at a constant rate, with a cosine to 0, and Schedule-Free SGD, on parabolas with noisy
/// gradients. The cosine ends with the run, or at twice that.
struct WithoutSchedule {
  static let rate = 0.5
  static let steps = 2000
  /// Curvatures from 0.01 to 1.
  static let curvatures = (0..<64).map { Float(power(0.01, Double($0) / 63)) }
  static let window = 50

  private static func power(_ base: Double, _ exponent: Double) -> Double {
    // The same on every machine: by roots alone.
    var (result, factor, rest) = (1.0, base, exponent)
    for _ in 0..<50 {
      if rest >= 1 {
        result *= factor
        rest -= 1
      }
      rest *= 2
      factor = factor.squareRoot()
    }
    return result
  }

  static let settings = [
    TrialSetting(name: "constant", rule: SGD(learningRate: rate)),
    TrialSetting(
      name: "cosine", rule: SGD(learningRate: rate),
      schedule: .cosine(from: rate, to: 0, steps: steps)),
    TrialSetting(
      name: "cosine, twice as long", rule: SGD(learningRate: rate),
      schedule: .cosine(from: rate, to: 0, steps: 2 * steps)),
    TrialSetting(name: "Schedule-Free", rule: ScheduleFreeSGD(learningRate: rate)),
  ]

  /// By setting and window of steps: the mean loss.
  let losses: [[Double]]
  let digest: Digest

  init(on engine: EngineChoice) throws {
    let runs = try Self.settings.map { try Self.run($0, on: engine) }
    losses = runs.map(\.0)
    digest = Digest(runs.map(\.1))
  }

  private static func run(
    _ setting: TrialSetting, on engine: EngineChoice
  ) throws -> ([Double], Digest) {
    var trial = try Trial(
      setting, from: Array(repeating: 1, count: curvatures.count), on: engine)
    var generator = SplitMix64(seed: 1)
    var losses: [Double] = []
    var sum = 0.0
    for step in 1...steps {
      try trial.step(
        zip(curvatures, trial.weights).map { Float(Double($0 * $1) + 0.3 * generator.normal()) })
      sum += zip(curvatures, try trial.iterate()).reduce(0) {
        $0 + Double($1.0) * Double($1.1) * Double($1.1) / 2
      }
      if step.isMultiple(of: window) {
        losses.append(sum / Double(window * curvatures.count))
        sum = 0
      }
    }
    return (losses, trial.digest)
  }
}

extension WithoutSchedule {
  var result: FigureResult {
    let ends = losses.map { $0[$0.count - 1] }
    let halves = losses.map { $0[$0.count / 2 - 1] }
    let caption = """
      Noisy parabolas, 2000 steps: at a constant rate SGD stays at a loss of \(short(ends[0])). \
      A cosine that ends with the run brings it to \(short(ends[1])), one that was made for \
      twice as many steps only to \(short(ends[2])). Schedule-Free SGD, which takes no number of \
      steps, comes to \(short(ends[3])), and has \(short(halves[3])) at half the time, where the \
      cosine has \(short(halves[1])).
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: zip(Self.settings, zip(halves, ends)).flatMap {
        [("\($0.name), half", $1.0), ("\($0.name), end", $1.1)]
      }, digest: digest)
  }

  private func sheet(_ caption: String) -> PanelSheet {
    let curves = zip(Self.settings, losses).enumerated().map { index, pair in
      Panel.Curve(
        name: pair.0.name,
        points: pair.1.enumerated().map {
          .init(x: Double(($0.offset + 1) * Self.window), y: $0.element)
        }, series: index)
    }
    return PanelSheet(
      title: "Schedule-Free SGD works without the number of steps", description: caption,
      rows: [
        [
          .curves(
            heading: "Loss at the point to evaluate",
            x: .init(label: "step", range: Double(Self.window)...Double(Self.steps)),
            y: .init(label: "loss", range: 5e-4...0.1, kind: .logarithmic), height: 220, curves)
        ]
      ])
  }
}
