/// The times of a step or a pass, in seconds, each with the time of the ceiling's pass next to it.
struct Samples: Equatable, Sendable {
  private(set) var steps: [Double] = []
  private(set) var passes: [Double] = []

  var count: Int { steps.count }

  mutating func append(step: Double, pass: Double) {
    steps.append(step)
    passes.append(pass)
  }

  /// For what has no ceiling.
  mutating func append(_ step: Double) { steps.append(step) }

  var median: Double { steps.median ?? .nan }
  var minimum: Double { steps.min() ?? .nan }

  /// Of the ceiling's passes; nil where there are none.
  var ceiling: Double? { passes.median }

  /// The share of the ceiling's speed: the median over the rounds, whose step and pass met the same
  /// disturbances. nil where there is no ceiling.
  var fractionOfCeiling: Double? { zip(steps, passes).map { $1 / $0 }.median }
}

extension [Double] {
  /// The middle one, or the mean of the two in the middle; nil of none.
  var median: Double? {
    let sorted = sorted()
    let middle = count / 2
    if isEmpty { return nil }
    return count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

/// How long `body` takes, in seconds.
func seconds(_ body: () throws -> Void) rethrows -> Double {
  try ContinuousClock().measure(body) / .seconds(1)
}
