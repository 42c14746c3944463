import Descent

extension Figure {
  /// Momentum's accumulated and averaged forms, with the same numbers and with converted ones.
  static let twoForms = Figure(name: "two-forms-of-momentum") { try TwoForms(engine: $0).result }
}

private struct TwoForms {
  private static let rate = 0.02
  private static let momentum = 0.9
  private static let convertedRate = Momentum.averagedLearningRate(
    accumulated: rate, momentum: momentum)
  private static let steps = 60

  private static let surface: Surface = {
    var surface = Surfaces.ravine(condition: 20)
    surface.domain = .init(x: -5...3, y: -1.5...1.5)
    return surface
  }()

  private let accumulated: Walk
  /// The averaged form at the same rate.
  private let same: Walk
  /// The averaged form at the converted rate.
  private let converted: Walk
  /// The accumulated form at the converted rate converted back.
  private let convertedBack: Walk

  init(engine: EngineChoice) throws {
    func walk(_ rule: Momentum) throws -> Walk {
      try Walk(rule, on: Self.surface, steps: Self.steps, engine: engine)
    }
    accumulated = try walk(.accumulated(learningRate: Self.rate, momentum: Self.momentum))
    same = try walk(.averaged(learningRate: Self.rate, momentum: Self.momentum))
    converted = try walk(.averaged(learningRate: Self.convertedRate, momentum: Self.momentum))
    let rate = Momentum.accumulatedLearningRate(
      averaged: Self.convertedRate, momentum: Self.momentum)
    convertedBack = try walk(.accumulated(learningRate: rate, momentum: Self.momentum))
  }

  /// The largest distance between the two walks.
  private static func distance(_ one: Walk, _ other: Walk) -> Double {
    zip(one.points, other.points).map { $0.distance(to: $1) }.max() ?? .nan
  }

  var result: FigureResult {
    let apart = Self.distance(accumulated, same)
    let together = Self.distance(accumulated, converted)
    let back = Self.distance(accumulated, convertedBack)
    let caption =
      "Over \(Self.steps) steps with γ = 0.9 the averaged form V ← γV + (1 − γ)g, x ← x − ηV and the"
      + " accumulated form V ← γV + ηg, x ← x − V are up to \(Drawing.number(apart)) apart if both"
      + " have η = 0.02. With η/(1 − γ) = 0.2 for the averaged form they are never more than"
      + " \(Drawing.number(together * 1e6, decimals: 1)) millionths apart, which is rounding."
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: [
        ("apart with the same rate", apart), ("apart with the converted rate", together),
        ("apart when converted back", back),
      ], digest: Digest([accumulated, same, converted, convertedBack]))
  }

  private func sheet(_ caption: String) -> PanelSheet {
    PanelSheet(
      title: "Momentum's two forms take the same steps once the rate is converted",
      description: caption, rows: [[sameRate], [convertedRate]])
  }

  private var sameRate: Panel {
    .surface(
      Self.surface, heading: "Both at η = 0.02",
      marks: [
        .line(accumulated.points, series: 0), .line(same.points, series: 5),
        .marks([accumulated.end], series: 0, radius: 5), .marks([same.end], series: 5, radius: 5),
        .starts([Self.surface.start]), .minima(Self.surface.minima),
        .label("accumulated", at: .init(x: -1.8, y: 0.65), dy: -8, anchor: .middle),
        .label("averaged", at: same.end, dy: 24, anchor: .middle),
      ])
  }

  private var convertedRate: Panel {
    .surface(
      Self.surface, heading: "Accumulated at η = 0.02, averaged at η/(1 − γ) = 0.2",
      marks: [
        .line(accumulated.points, series: 0, isBroad: true), .line(converted.points, series: 5),
        .marks([accumulated.end], series: 0, radius: 8),
        .marks([converted.end], series: 5, radius: 4.5),
        .starts([Self.surface.start]), .minima(Self.surface.minima),
        .label(
          "accumulated (broad) and averaged (dashed)", at: .init(x: -1.8, y: 0.65), dy: -12,
          anchor: .middle),
      ])
  }
}
