import Descent
import Training

extension Figure {
  /// AdamW and Lion at the same and at another weight decay.
  static let decayNeeded = Figure(name: "decay-needed") { try DecayNeeded(on: $0).result }
}

/// Weights of 1 whose gradients are noise alone: what weight decay does to them. Lion's rate is a
/// tenth of AdamW's, as its authors advise.
struct DecayNeeded {
  static let steps = 10_000
  static let weightCount = 64

  static let settings = [
    TrialSetting(
      name: "AdamW, λ = 0.1", rule: AdamW(learningRate: 1e-3, weightDecay: 0.1)),
    TrialSetting(name: "Lion, λ = 0.1", rule: Lion(learningRate: 1e-4, weightDecay: 0.1)),
    TrialSetting(name: "Lion, λ = 1", rule: Lion(learningRate: 1e-4, weightDecay: 1)),
  ]

  /// By setting and step: the mean of the weights.
  let means: [[Double]]
  let digest: Digest

  init(on engine: EngineChoice) throws {
    let runs = try Self.settings.map { try Self.run($0.rule, on: engine) }
    means = runs.map(\.0)
    digest = Digest(runs.map(\.1))
  }

  private static func run(
    _ rule: any UpdateRule, on engine: EngineChoice
  ) throws -> ([Double], Digest) {
    var trial = try Trial(rule, from: Array(repeating: 1, count: weightCount), on: engine)
    var generator = SplitMix64(seed: 1)
    let means = try (0..<steps).map { _ in
      try trial.step { _ in Float(generator.normal()) }
      return trial.weights.map(Double.init).mean
    }
    return (means, trial.digest)
  }
}

extension DecayNeeded {
  var result: FigureResult {
    let ends = means.map { $0[Self.steps - 1] }
    let caption = """
      Weights of 1 with gradients of noise alone, after 10,000 steps: AdamW at a rate of 0.001 \
      and λ = 0.1 leaves \(short(ends[0])) of them. Lion at a tenth of the rate leaves \
      \(short(ends[1])) with the same λ, and \(short(ends[2])) with ten times as much: decay \
      goes by ηλ, and where η falls λ has to rise.
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: zip(Self.settings, ends).map { ($0.name, $1) }, digest: digest)
  }

  private func sheet(_ caption: String) -> PanelSheet {
    // Every fiftieth step is enough for a line.
    let curves = zip(Self.settings, means).enumerated().map { index, pair in
      Panel.Curve(
        name: pair.0.name,
        points: stride(from: 0, to: Self.steps, by: 50).map {
          .init(x: Double($0 + 1), y: pair.1[$0])
        } + [.init(x: Double(Self.steps), y: pair.1[Self.steps - 1])], series: index,
        isBroad: index == 0)
    }
    return PanelSheet(
      title: "Lion needs as much more decay as its rate is smaller", description: caption,
      rows: [
        [
          .curves(
            heading: "Weights without a gradient but noise",
            x: .init(label: "step", range: 1...Double(Self.steps)),
            y: .init(label: "mean weight", range: 0...1), curves)
        ]
      ])
  }
}
