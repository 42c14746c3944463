#if OpenCL
import Descent

/// Which launch shapes to try, and in which order.
///
/// A coarse pass narrows them down: first all lanes at the default's group size, then all group
/// sizes at the best two lanes. Few are left for rounds that alternate them with the default.
struct ShapeSearch {
  let standard: LaunchShape
  let maximumGroupSize: Int

  static let groupSizes = [64, 128, 256, 512, 1024]
  static let finalists = 3

  /// How many shapes the coarse pass tries, the default not counted where it is among them.
  var coarseCount: Int { LaunchShape.allowedLanes.count + 2 * otherSizes.count }

  private var otherSizes: [Int] {
    Self.groupSizes.filter { $0 <= maximumGroupSize && $0 != standard.groupSize }
  }

  /// The best shapes besides the default, the fastest first.
  ///
  /// - Parameter seconds: times a shape roughly; nil for one that the device refuses.
  func shortlist(_ seconds: (LaunchShape) throws -> Double?) rethrows -> [LaunchShape] {
    var times: [LaunchShape: Double] = [:]
    func measure(_ shape: LaunchShape) throws { times[shape] = try seconds(shape) }
    for lanes in LaunchShape.allowedLanes {
      try measure(LaunchShape(lanes: lanes, groupSize: standard.groupSize))
    }
    for lanes in Self.fastest(times).prefix(2).map({ $0.lanes }) {
      for size in otherSizes { try measure(LaunchShape(lanes: lanes, groupSize: size)) }
    }
    return Array(Self.fastest(times).filter { $0 != standard }.prefix(Self.finalists))
  }

  /// By time; of equals the narrower, so that the order is always the same.
  private static func fastest(_ times: [LaunchShape: Double]) -> [LaunchShape] {
    times.sorted {
      ($0.value, $0.key.lanes, $0.key.groupSize) < ($1.value, $1.key.lanes, $1.key.groupSize)
    }.map { $0.key }
  }
}

/// Whether a shape is faster than the default, by times of both from the same rounds.
struct ShapeVerdict: Equatable {
  /// Medians.
  let standardSeconds: Double
  let seconds: Double
  /// How much longer the default takes, the median over the rounds: 0.1 is 10%.
  let gain: Double
  /// Whether it won in eight rounds of nine and gains more than two runs of one shape may differ
  /// by.
  let isClear: Bool

  static let smallestGain = 0.02

  init(standard: [Double], candidate: [Double]) {
    let ratios = zip(standard, candidate).map { $0 / $1 }
    standardSeconds = Self.median(standard)
    seconds = Self.median(candidate)
    gain = Self.median(ratios) - 1
    let wins = ratios.count { $0 > 1 }
    isClear = !ratios.isEmpty && gain >= Self.smallestGain && wins * 9 >= ratios.count * 8
  }

  /// The middle one, the lower of two; NaN of none.
  static func median(_ values: [Double]) -> Double {
    values.isEmpty ? .nan : values.sorted()[(values.count - 1) / 2]
  }
}
#endif
