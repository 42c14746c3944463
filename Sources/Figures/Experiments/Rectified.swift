import Descent
import Training

extension Figure {
  /// Adam's and RAdam's first hundred steps from the minimum.
  static let rectified = Figure(name: "rectified") { try Rectified(on: $0).result }
}

/// Adam, Adam with a warm-up and RAdam, started at the minimum of a parabola with noisy gradients
/// of two sizes.
struct Rectified {
  static let rate = 0.01
  static let steps = 100
  static let weightCount = 64
  static let sizes = [1.0, 100]

  static let settings = [
    TrialSetting(name: "Adam", rule: Adam(learningRate: rate)),
    TrialSetting(
      name: "with a warm-up", rule: Adam(learningRate: rate),
      schedule: .warmUp(50).then(.constant(rate))),
    TrialSetting(name: "RAdam", rule: RAdam(learningRate: rate)),
  ]

  /// By size, setting and step: the root mean square of the weights' distances from the minimum.
  let distances: [[[Double]]]
  let digest: Digest

  init(on engine: EngineChoice) throws {
    let walks = try Self.sizes.map { size in
      try Self.settings.map { try Self.walk($0, size, on: engine) }
    }
    distances = walks.map { $0.map(\.0) }
    digest = Digest(walks.joined().map(\.1))
  }

  private static func walk(
    _ setting: TrialSetting, _ size: Double, on engine: EngineChoice
  ) throws -> ([Double], Digest) {
    var trial = try Trial(setting, from: Array(repeating: 0, count: weightCount), on: engine)
    var generator = SplitMix64(seed: 1)
    let distances = try (0..<steps).map { _ in
      try trial.step { Float(size * (Double($0) + generator.normal())) }
      return trial.weights.map { Double($0) * Double($0) }.mean.squareRoot()
    }
    return (distances, trial.digest)
  }
}

extension Rectified {
  var result: FigureResult {
    let fifth = distances.map { $0.map { $0[4] } }
    let end = distances.map { $0.map { $0[Self.steps - 1] } }
    let caption = """
      Started at the minimum, Adam is \(short(end[0][0])) away after 100 noisy steps; with a \
      rate that warms up over 50 steps it is \(short(end[0][1])), and RAdam, which needs no \
      warm-up, \(short(end[0][2])). RAdam's first five steps have no denominator, so they follow \
      the size of the gradients: with gradients a hundred times as large it is \
      \(short(fifth[1][2])) away after them, where Adam is \(short(fifth[1][0])).
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: zip(Self.sizes, zip(fifth, end)).flatMap { size, found in
        zip(Self.settings, zip(found.0, found.1)).flatMap { setting, values in
          [
            ("\(setting.name) at 5, size \(Int(size))", values.0),
            ("\(setting.name) at 100, size \(Int(size))", values.1),
          ]
        }
      }, digest: digest)
  }

  private func sheet(_ caption: String) -> PanelSheet {
    let names = Self.settings.map(\.name)
    return PanelSheet(
      title: "RAdam's first steps are short, but for the first five",
      description: caption,
      rows: [
        [
          .bySteps(
            heading: "Noise of the gradients: 1",
            y: .init(label: "distance from the minimum", range: 0...0.2), names, distances[0])
        ],
        [
          .bySteps(
            heading: "Noise of the gradients: 100",
            y: .init(label: "distance from the minimum", range: 0.001...20, kind: .logarithmic),
            names, distances[1])
        ],
      ])
  }
}
