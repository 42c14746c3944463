import Descent
import Training

extension Figure {
  /// Prodigy's estimate of the distance to the minimum, from 10⁻⁶ on.
  static let foundRate = Figure(name: "found-rate") { try FoundRate(on: $0).result }
}

/// Prodigy on |x − c| for 64 weights that begin at 0, with three distances c, with the same
/// hyper-parameters. From 1000 to 0 the first steps of 10⁻⁶ would be lost to rounding.
struct FoundRate {
  static let distances = [0.1, 10, 1000]
  static let weightCount = 64
  static let steps = 300

  /// By distance and step: the estimate D, relative to the distance of each weight.
  let estimates: [[Double]]
  let digest: Digest

  init(on engine: EngineChoice) throws {
    let runs = try Self.distances.map { try Self.run($0, on: engine) }
    estimates = runs.map(\.0)
    digest = Digest(runs.map(\.1))
  }

  private static func run(
    _ distance: Double, on engine: EngineChoice
  ) throws -> ([Double], Digest) {
    var trial = try Trial(
      Prodigy(), from: Array(repeating: 0, count: weightCount), on: engine)
    let minimum = Float(distance)
    let estimates = try (0..<steps).map { _ in
      try trial.step { $0 > minimum ? 1 : $0 < minimum ? -1 : 0 }
      return Double(try trial.state("d")[0]) / distance
    }
    return (estimates, trial.digest)
  }

  /// The first step after which the estimate is a tenth of the distance.
  func arrival(_ index: Int) -> Int {
    (estimates[index].firstIndex { $0 >= 0.1 } ?? -1) + 1
  }
}

extension FoundRate {
  var result: FigureResult {
    let ends = estimates.map { $0[Self.steps - 1] }
    let arrivals = Self.distances.indices.map { arrival($0) }
    let caption = """
      Prodigy begins with an estimate of 10⁻⁶. With the minimum at distances of 0.1, 10 and \
      1000 it has a tenth of the distance after \(arrivals[0]), \(arrivals[1]) and \
      \(arrivals[2]) steps, and \(short(ends[0])), \(short(ends[1])) and \(short(ends[2])) of \
      it after 300: ten thousand times the distance costs few steps, since the estimate grows \
      by a factor.
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: zip(Self.distances, zip(arrivals, ends)).flatMap {
        [("arrival at \(short($0))", Double($1.0)), ("end at \(short($0))", $1.1)]
      }, digest: digest)
  }

  private func sheet(_ caption: String) -> PanelSheet {
    let names = Self.distances.map { "distance \(short($0, digits: 1))" }
    return PanelSheet(
      title: "Prodigy finds its rate from a millionth of it", description: caption,
      rows: [
        [
          .bySteps(
            heading: "The estimate that multiplies the rate",
            y: .init(label: "D / distance", range: 1e-9...10, kind: .logarithmic), height: 220,
            names, estimates)
        ]
      ])
  }
}
