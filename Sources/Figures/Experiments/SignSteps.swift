import Descent
import Training

extension Figure {
  /// The lengths of sign methods' steps, and how far they go on once the gradient is 0.
  static let signSteps = Figure(name: "sign-steps") { try SignSteps(on: $0).result }
}

/// Rules of signs and Adam, on a gradient of a mean with noise of variance 1, and on a gradient
/// that ends.
struct SignSteps {
  static let rate = 0x1p-10
  static let rules: [any UpdateRule] = [
    Adam(learningRate: rate), Signum(learningRate: rate), Lion(learningRate: rate),
  ]
  static let means = [0.01, 0.03, 0.1, 0.3, 1, 3, 10]
  static let weightCount = 16
  /// Steps with a gradient, and after it.
  static let (before, after) = (100, 20_000)

  /// By rule and mean: Σ|Δx| in rates, for each step and weight.
  let lengths: [[Double]]
  /// By rule and step after the gradient's end: the way since, in rates.
  let ways: [[Double]]
  let digest: Digest

  init(on engine: EngineChoice) throws {
    let noisy = try Self.rules.map { rule in
      try Self.means.map { try Self.meanLength(rule, $0, on: engine) }
    }
    let ended = try Self.rules.map { try Self.way($0, on: engine) }
    lengths = noisy.map { $0.map(\.0) }
    ways = ended.map(\.0)
    digest = Digest(noisy.joined().map(\.1) + ended.map(\.1))
  }

  private static func meanLength(
    _ rule: any UpdateRule, _ mean: Double, on engine: EngineChoice
  ) throws -> (Double, Digest) {
    var trial = try Trial(rule, from: Array(repeating: 0, count: weightCount), on: engine)
    var generator = SplitMix64(seed: 1)
    var way = 0.0
    let (unheeded, steps) = (100, 1000)
    for step in 0..<unheeded + steps {
      let before = trial.weights
      try trial.step { _ in Float(mean + generator.normal()) }
      if step < unheeded { continue }
      way += zip(before, trial.weights).reduce(0) { $0 + abs(Double($1.0) - Double($1.1)) }
    }
    return (way / rate / Double(steps * weightCount), trial.digest)
  }

  private static func way(
    _ rule: any UpdateRule, on engine: EngineChoice
  ) throws -> ([Double], Digest) {
    var trial = try Trial(rule, from: [0], on: engine)
    for _ in 0..<before { try trial.step([1]) }
    let start = Double(trial.weights[0])
    let ways = try (0..<after).map { _ in
      try trial.step([0])
      return (start - Double(trial.weights[0])) / rate
    }
    return (ways, trial.digest)
  }

  /// The steps until a rule no longer moves.
  func steps(of rule: Int) -> Int {
    let way = ways[rule].last ?? .nan
    return (ways[rule].firstIndex(of: way) ?? 0) + 1
  }
}

extension SignSteps {
  var result: FigureResult {
    let adam = lengths[0]
    let caption = """
      Where noise hides the gradient's mean, Adam's steps shorten to \(short(adam[0])) of its \
      rate; where there is none to speak of they have \(short(adam[adam.count - 1])). Signum's \
      and Lion's are as long as the rate throughout. And they go on: after 100 gradients of 1 \
      and then zeros, Adam stops \(short(ways[0].last ?? .nan)) rates further, Signum after \
      \(steps(of: 1)) full steps and Lion after \(steps(of: 2)), when their averages fall below \
      2⁻¹²⁶ and are taken for 0. Rounding would keep them above 0 for ever.
      """
    var measured: [(name: String, value: Double)] = []
    for (index, rule) in Self.rules.enumerated() {
      let name = type(of: rule).name
      measured.append(("\(name) shortest", lengths[index].min() ?? .nan))
      measured.append(("\(name) longest", lengths[index].max() ?? .nan))
      measured.append(("\(name) steps to the stop", Double(steps(of: index))))
      measured.append(("\(name) way to the stop", ways[index].last ?? .nan))
    }
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption, measured: measured, digest: digest)
  }

  private func sheet(_ caption: String) -> PanelSheet {
    func panel(_ heading: String, x: Panel.Axis, y: Panel.Axis, _ points: [[Panel.Place]]) -> Panel
    {
      .curves(
        heading: heading, x: x, y: y,
        zip(Self.rules, points).enumerated().map { index, pair in
          .init(
            name: type(of: pair.0).title, points: pair.1, series: index,
            // Both are at 1.
            isBroad: index == 1)
        })
    }
    return PanelSheet(
      title: "Sign methods step by one length everywhere, also where the gradient is 0",
      description: caption,
      rows: [
        [
          panel(
            "A gradient with noise of variance 1",
            x: .init(label: "mean of the gradient", range: 0.01...10, kind: .logarithmic),
            y: .init(label: "mean length of a step, in rates", range: 0...1.2),
            lengths.map { zip(Self.means, $0).map { .init(x: $0, y: $1) } })
        ],
        [
          panel(
            "The gradient ends",
            x: .init(
              label: "steps since the gradient's end", range: 1...Double(Self.after),
              kind: .logarithmic),
            y: .init(label: "way since, in rates", range: 0.5...20_000, kind: .logarithmic),
            ways.map { way in
              way.enumerated().map { .init(x: Double($0.offset + 1), y: $0.element) }
            })
        ],
      ])
  }
}
