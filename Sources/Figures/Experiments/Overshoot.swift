import Descent

extension Figure {
  /// Momentum and Nesterov's method in a one-dimensional valley.
  static let overshoot = Figure(name: "overshoot") { try Overshoot(engine: $0).result }
}

private struct Overshoot {
  private static let rate = 0.35
  /// The minimum is reached when the walk stays this close to it.
  private static let tolerance = 0.05
  private static let steps = 120

  /// The valley ½x² from x = 1; y does not matter.
  private static let valley = Surface(
    name: "valley", title: "Valley: ½x²", source: "the simplest valley",
    domain: .init(x: -1...1, y: -1...1), minima: [.init(x: 0, y: 0)], start: .init(x: 1, y: 0),
    value: { x, _ in x * x / 2 }, gradient: { x, _ in .init(x: x, y: 0) })

  private struct Run {
    let walk: Walk
    /// Steps to the minimum; nil if the walk does not stay there.
    let steps: Int?
    /// How far the walk goes past the minimum, relative to its distance at the start.
    let overshoot: Double

    init(_ rule: any UpdateRule, engine: EngineChoice) throws {
      walk = try Walk(rule, on: valley, steps: Overshoot.steps, engine: engine)
      steps = walk.stepsToStay(within: tolerance)
      overshoot = max(0, -(walk.points.map(\.x).min() ?? 0))
    }

    var stepNumber: Double { steps.map(Double.init) ?? .nan }
    var stepText: String { steps.map { "\($0)" } ?? "more than \(Overshoot.steps)" }
    var percentText: String { Drawing.number(overshoot * 100, decimals: 1) + " %" }
  }

  /// Both methods with one γ.
  private struct Pair {
    let gamma: Double
    let momentum: Run
    let nesterov: Run

    init(gamma: Double, engine: EngineChoice) throws {
      self.gamma = gamma
      momentum = try Run(
        Momentum.accumulated(learningRate: rate, momentum: gamma), engine: engine)
      nesterov = try Run(Nesterov(learningRate: rate, momentum: gamma), engine: engine)
    }
  }

  /// The pairs for γ of 0, 0.05 … 0.9.
  private let pairs: [Pair]

  /// The γ at which momentum takes one step more than Nesterov.
  private var sketch: Pair { pairs[7] }
  private var strong: Pair { pairs[16] }

  init(engine: EngineChoice) throws {
    pairs = try (0...18).map { try Pair(gamma: Double($0 * 5) / 100, engine: engine) }
  }

  var result: FigureResult {
    let caption = caption
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption, measured: measured,
      digest: Digest(pairs.flatMap { [$0.momentum.walk, $0.nesterov.walk] }))
  }

  private var caption: String {
    let (momentum, nesterov) = (sketch.momentum, sketch.nesterov)
    return "In the valley ½x² from x = 1 with η = 0.35 and γ = 0.35, momentum overshoots by"
      + " \(momentum.percentText) of its way and stays within 5 % of the minimum from step"
      + " \(momentum.stepText) on; Nesterov overshoots by \(nesterov.percentText) and needs"
      + " \(nesterov.stepText). The gap grows with γ: at 0.8 it is \(strong.momentum.stepText) steps"
      + " against \(strong.nesterov.stepText), and \(strong.momentum.percentText) against"
      + " \(strong.nesterov.percentText). Below 0.35 momentum hardly overshoots, and is as fast as"
      + " Nesterov or a step faster."
  }

  private var measured: [(name: String, value: Double)] {
    pairs.flatMap { pair in
      let gamma = Drawing.number(pair.gamma)
      return [
        ("steps of momentum at \(gamma)", pair.momentum.stepNumber),
        ("steps of nesterov at \(gamma)", pair.nesterov.stepNumber),
        ("overshoot of momentum at \(gamma)", pair.momentum.overshoot),
        ("overshoot of nesterov at \(gamma)", pair.nesterov.overshoot),
      ]
    }
  }

  private func sheet(_ caption: String) -> PanelSheet {
    PanelSheet(
      title: "Momentum overshoots the minimum, Nesterov less; the gap grows with γ",
      description: caption,
      rows: [
        [
          walks(sketch, drawn: 10, lowest: -0.3, nesterov: (0, -12)),
          walks(strong, drawn: 40, lowest: -0.7, nesterov: (16, 52)),
        ],
        [overshoots, steps],
      ])
  }

  private func walks(
    _ pair: Pair, drawn: Int, lowest: Double, nesterov: (dx: Double, dy: Double)
  ) -> Panel {
    func line(_ run: Run) -> [Panel.Place] {
      run.walk.points.prefix(drawn + 1).enumerated().map {
        .init(x: Double($0.offset), y: $0.element.x)
      }
    }
    func reached(_ run: Run) -> Panel.Place {
      .init(x: run.stepNumber, y: run.steps.map { run.walk.points[$0].x } ?? .nan)
    }
    let (end, momentum) = (Double(drawn), reached(pair.momentum))
    return Panel(
      heading: "γ = \(Drawing.number(pair.gamma))", x: .init(label: "step", range: 0...end),
      y: .init(label: "x", range: lowest...1.05), height: 170,
      marks: [
        .grid([.init(x: 0, y: Self.tolerance), .init(x: end, y: Self.tolerance)]),
        .grid([.init(x: 0, y: -Self.tolerance), .init(x: end, y: -Self.tolerance)]),
        .line(line(pair.momentum), series: 1), .line(line(pair.nesterov), series: 2),
        .marks([momentum], series: 1, radius: 5),
        .marks([reached(pair.nesterov)], series: 2, radius: 5),
        .label("momentum: \(pair.momentum.stepText)", at: momentum, dy: 24, anchor: .middle),
        .label(
          "Nesterov: \(pair.nesterov.stepText)", at: reached(pair.nesterov), dx: nesterov.dx,
          dy: nesterov.dy),
      ])
  }

  /// A value of every run as a function of γ.
  private func lines(
    _ value: (Run) -> Double
  ) -> (momentum: [Panel.Place], nesterov: [Panel.Place]) {
    (
      pairs.map { .init(x: $0.gamma, y: value($0.momentum)) },
      pairs.map { .init(x: $0.gamma, y: value($0.nesterov)) }
    )
  }

  private var overshoots: Panel {
    let lines = lines { $0.overshoot * 100 }
    return Panel(
      heading: "How far past the minimum", x: .init(label: "γ", range: 0...0.9),
      y: .init(label: "% of the start's distance", range: 0...80), height: 190,
      marks: [
        .line(lines.momentum, series: 1), .line(lines.nesterov, series: 2),
        .label("momentum", at: lines.momentum[13], dx: -8, anchor: .end),
        .label("Nesterov", at: lines.nesterov[18], dy: 50, anchor: .end),
      ])
  }

  private var steps: Panel {
    let lines = lines(\.stepNumber)
    return Panel(
      heading: "Steps to reach it", x: .init(label: "γ", range: 0...0.9),
      y: .init(label: "steps", range: 3...100, kind: .logarithmic), height: 190,
      marks: [
        .line(lines.momentum, series: 1), .line(lines.nesterov, series: 2),
        .label("momentum", at: lines.momentum[15], dx: -8, anchor: .end),
        .label("Nesterov", at: lines.nesterov[15], dy: 20, anchor: .middle),
      ])
  }
}
