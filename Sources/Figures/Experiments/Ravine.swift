import Descent

extension Figure {
  /// SGD and momentum in a ravine: the oscillation across it, and the progress along it.
  static let ravine = Figure(name: "ravine") { try SwingInARavine(engine: $0).result }
}

private struct SwingInARavine {
  private static let condition = 50.0
  private static let momentum = 0.6
  /// Momentum's usual γ, for comparison.
  private static let usualMomentum = 0.9
  /// The rate of both in the comparison: just below 2/κ, beyond which SGD diverges.
  private static let commonRate = 1.95 / condition
  private static let tolerance = 0.01
  private static let steps = 300
  private static let drawnSteps = 40

  /// A rate, and the steps until the tolerance is reached; nil if the maximum of steps is not
  /// enough.
  private typealias Outcome = (rate: Double, steps: Int?)

  private static let surface: Surface = {
    var surface = Surfaces.ravine(condition: condition)
    surface.domain = .init(x: -5...1.5, y: -1.2...1.2)
    return surface
  }()

  private let sgd: Walk
  private let damped: Walk
  private let usual: Walk
  private let sgdTrials: [Outcome]
  private let momentumTrials: [Outcome]
  private let digest: Digest

  init(engine: EngineChoice) throws {
    func walk(_ rule: any UpdateRule) throws -> Walk {
      try Walk(rule, on: Self.surface, steps: Self.steps, engine: engine)
    }
    func momentum(_ rate: Double, _ momentum: Double = Self.momentum) -> Momentum {
      .accumulated(learningRate: rate, momentum: momentum)
    }
    sgd = try walk(SGD(learningRate: Self.commonRate))
    damped = try walk(momentum(Self.commonRate))
    usual = try walk(momentum(Self.commonRate, Self.usualMomentum))
    var digest = Digest([sgd, damped, usual])
    func trials(_ rule: (Double) -> any UpdateRule) throws -> [Outcome] {
      try Self.search { rate in
        let walk = try walk(rule(rate))
        digest.combine(walk)
        return (rate, walk.stepsToStay(within: Self.tolerance))
      }
    }
    sgdTrials = try trials { SGD(learningRate: $0) }
    momentumTrials = try trials { momentum($0) }
    self.digest = digest
  }

  /// Tries multiples of a fifth of 1/κ, and then of a fiftieth around the best of them.
  private static func search(_ attempt: (Double) throws -> Outcome) rethrows -> [Outcome] {
    let coarse = Array(stride(from: 20, through: 320, by: 20))
    let trials = try coarse.map { try attempt(Double($0) / 100 / condition) }
    let best = zip(coarse, trials).min { isBetter($0.1, $1.1) }?.0 ?? 0
    let fine = stride(from: best - 18, through: best + 18, by: 2).filter { $0 != best }
    return try (trials + fine.map { try attempt(Double($0) / 100 / condition) })
      .sorted { $0.rate < $1.rate }
  }

  private static func isBetter(_ one: Outcome, _ other: Outcome) -> Bool {
    (one.steps ?? .max) < (other.steps ?? .max)
  }

  private static func best(of trials: [Outcome]) -> Outcome {
    trials.min(by: isBetter) ?? (.nan, nil)
  }

  /// The remaining oscillation across the ravine: the largest |y| from a step on.
  private static func swing(_ walk: Walk, from step: Int) -> Double {
    walk.points.dropFirst(step).map { abs($0.y) }.max() ?? .nan
  }

  var result: FigureResult {
    let swings = [sgd, damped, usual].map { Self.swing($0, from: 20) }
    let (sgdBest, momentumBest) = (Self.best(of: sgdTrials), Self.best(of: momentumTrials))
    let caption =
      "On ½(x² + 50y²), both at a rate of 1.95/50: from step 20 on SGD swings by"
      + " \(Drawing.number(swings[0], decimals: 3)) across the ravine, momentum with γ = 0.6 by"
      + " \(Drawing.number(swings[1], decimals: 4)). A γ of 0.9 is too much: it swings by"
      + " \(Drawing.number(swings[2], decimals: 3)). To stay within 0.01 of the minimum, each at its"
      + " best rate, SGD needs \(sgdBest.steps ?? 0) steps and momentum \(momentumBest.steps ?? 0)."
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: [
        ("swing of sgd", swings[0]), ("swing of momentum", swings[1]),
        ("swing at the usual momentum", swings[2]),
        ("steps of sgd", Double(sgdBest.steps ?? -1)),
        ("steps of momentum", Double(momentumBest.steps ?? -1)),
        ("best rate of sgd", sgdBest.rate), ("best rate of momentum", momentumBest.rate),
      ], digest: digest)
  }

  private func sheet(_ caption: String) -> PanelSheet {
    PanelSheet(
      title: "Momentum damps the swing across a ravine",
      description: caption, rows: [[paths], [swings, search]])
  }

  private var paths: Panel {
    let drawn = [sgd, damped].map { Array($0.points.prefix(Self.drawnSteps + 1)) }
    return .surface(
      Self.surface, heading: "The first \(Self.drawnSteps) steps at the rate 1.95/50",
      marks: [
        .line(drawn[0], series: 0), .line(drawn[1], series: 1),
        .marks(Array(drawn[1].dropFirst()), series: 1, radius: 2.5),
        .starts([Self.surface.start]), .minima(Self.surface.minima),
        .marks(Array(drawn[0].suffix(1)), series: 0, radius: 5),
        .marks(Array(drawn[1].suffix(1)), series: 1, radius: 5),
        .label("SGD", at: .init(x: -2.3, y: 0.55)),
        .label("momentum, γ = 0.6", at: .init(x: -0.1, y: -0.4), anchor: .middle),
      ])
  }

  private var swings: Panel {
    func line(_ walk: Walk) -> [Panel.Place] {
      (0...Self.drawnSteps).map { .init(x: Double($0), y: Self.swing(walk, from: $0)) }
    }
    let lines = [sgd, damped, usual].map(line)
    return Panel(
      heading: "Swing still to come at that rate", x: .init(label: "step", range: 0...40),
      y: .init(label: "largest |y| from the step on", range: 1e-4...4, kind: .logarithmic),
      height: 190,
      marks: lines.enumerated().map { .line($1, series: $0) } + [
        .label("SGD", at: lines[0][24], dy: 24, anchor: .middle),
        .label("γ = 0.6", at: lines[1][22], dx: 12, dy: -2),
        .label("momentum, γ = 0.9", at: .init(x: 40, y: 1.6), anchor: .end),
      ])
  }

  private var search: Panel {
    func line(_ trials: [Outcome]) -> [Panel.Place] {
      trials.compactMap { trial in
        trial.steps.map { .init(x: trial.rate * Self.condition, y: Double($0)) }
      }
    }
    let (sgdBest, momentumBest) = (Self.best(of: sgdTrials), Self.best(of: momentumTrials))
    let (sgdPlaces, momentumPlaces) = (line([sgdBest]), line([momentumBest]))
    return Panel(
      heading: "Steps to tolerance", x: .init(label: "rate × 50", range: 0...3.4),
      y: .init(label: "steps until within 0.01", range: 10...500, kind: .logarithmic),
      height: 190,
      marks: [
        .line(line(sgdTrials), series: 0), .line(line(momentumTrials), series: 1),
        .marks(sgdPlaces, series: 0, radius: 5), .marks(momentumPlaces, series: 1, radius: 5),
      ]
        + sgdPlaces.map { .label("SGD \(sgdBest.steps ?? 0)", at: $0, dx: 8) }
        + momentumPlaces.map {
          .label("momentum \(momentumBest.steps ?? 0)", at: $0, dx: -8, dy: 4, anchor: .end)
        })
  }
}
