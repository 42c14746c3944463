import Descent
import Training

extension Figure {
  /// Adam's first hundred steps with and without bias correction.
  static let biasCorrection = Figure(name: "bias-correction") {
    try BiasCorrection(on: $0).result
  }
}

/// Adam with each combination of bias corrections: with a constant gradient, and started at the
/// minimum of a parabola with noisy gradients.
struct BiasCorrection {
  static let rate = 0.01
  static let steps = 100
  static let weightCount = 64

  struct Setting: Sendable {
    var name: String
    var first: Bool
    var second: Bool

    var rule: Adam {
      Adam(learningRate: rate, biasCorrection1: first, biasCorrection2: second)
    }
  }

  static let settings = [
    Setting(name: "both", first: true, second: true),
    Setting(name: "neither", first: false, second: false),
    Setting(name: "m alone", first: true, second: false),
    Setting(name: "v alone", first: false, second: true),
  ]

  /// For each setting and step, |Δx| in units of the rate, with a gradient of 1.
  let lengths: [[Double]]
  /// For each setting and step, the root mean square of the weights' distances from the minimum.
  let distances: [[Double]]
  let digest: Digest

  init(on engine: EngineChoice) throws {
    let steady = try Self.settings.map { try Self.steadySteps($0.rule, on: engine) }
    let noisy = try Self.settings.map { try Self.noisyWalk($0.rule, on: engine) }
    lengths = steady.map(\.0)
    distances = noisy.map(\.0)
    digest = Digest(steady.map(\.1) + noisy.map(\.1))
  }

  private static func steadySteps(
    _ rule: Adam, on engine: EngineChoice
  ) throws -> ([Double], Digest) {
    var trial = try Trial(rule, from: [0], on: engine)
    let lengths = try (0..<steps).map { _ in
      let before = Double(trial.weights[0])
      try trial.step([1])
      return (before - Double(trial.weights[0])) / rate
    }
    return (lengths, trial.digest)
  }

  private static func noisyWalk(
    _ rule: Adam, on engine: EngineChoice
  ) throws -> ([Double], Digest) {
    var trial = try Trial(rule, from: Array(repeating: 0, count: weightCount), on: engine)
    var generator = SplitMix64(seed: 1)
    let distances = try (0..<steps).map { _ in
      try trial.step { $0 + Float(generator.normal()) }
      return trial.weights.map { Double($0) * Double($0) }.mean.squareRoot()
    }
    return (distances, trial.digest)
  }
}

extension BiasCorrection {
  var result: FigureResult {
    let longest = lengths.map { $0.max() ?? .nan }
    let shortest = lengths.map { $0.min() ?? .nan }
    let farthest = distances.map { $0.max() ?? .nan }
    let longestAt = (lengths[1].firstIndex(of: longest[1]) ?? -1) + 1
    let caption = """
      Under a steady gradient every step of Adam is as long as its rate. Without the corrections \
      the first is \(short(lengths[1][0])) times as long, the \(longestAt)th \(short(longest[1])) \
      times and the 100th still \(short(lengths[1][99])) times; with that of m alone the first \
      is \(short(lengths[2][0])) times as long. Started at the minimum of a parabola with noisy \
      gradients, Adam is thrown \(short(farthest[1] / farthest[0])) times as far out in its first \
      100 steps without the corrections as with them.
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: [
        ("shortest step, both", shortest[0]), ("longest step, both", longest[0]),
        ("first step, neither", lengths[1][0]), ("longest step, neither", longest[1]),
        ("last step, neither", lengths[1][Self.steps - 1]),
        ("first step, m alone", lengths[2][0]), ("first step, v alone", lengths[3][0]),
        ("farthest, both", farthest[0]), ("farthest, neither", farthest[1]),
      ], digest: digest)
  }

  private func sheet(_ caption: String) -> PanelSheet {
    let names = Self.settings.map(\.name)
    return PanelSheet(
      title: "Without bias correction Adam's first steps are far too long",
      description: caption,
      rows: [
        [
          .bySteps(
            heading: "A steady gradient, with both means corrected, neither or one",
            y: .init(label: "length of a step, in rates", range: 0.07...50, kind: .logarithmic),
            names, lengths)
        ],
        [
          .bySteps(
            heading: "Started at the minimum, noisy gradients",
            y: .init(label: "distance from the minimum", range: 0...0.52), names, distances)
        ],
      ])
  }
}
