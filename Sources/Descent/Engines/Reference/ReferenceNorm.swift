internal import DescentKernels

/// Norms and decisions in plain Swift, number by number in the one order that all engines keep. The
/// same for devices and for this processor: Kernels/norm.cl.
enum ReferenceNorm {
  /// A sum of squares, each scaled by ``downscale(_:)`` of the peak, squared; and the greatest
  /// magnitude's bits.
  struct Partial: Equatable {
    var sum: Float = 0
    var peak: UInt32 = 0
  }

  static let accumulators = 256

  /// Up to ``Tile/length`` elements: accumulator j takes the elements j, j + 256 …, and then by
  /// halves.
  ///
  /// - Parameter ofSquares: whether the elements' squares are summed, or the elements.
  static func tile(
    _ elements: some Collection<Float>, ofSquares: Bool = true
  ) -> Partial {
    let peak = elements.reduce(UInt32(0)) { max($0, $1.magnitude.bitPattern) }
    let scale = downscale(peak)
    var sums = [Float](repeating: 0, count: accumulators)
    for (index, element) in elements.enumerated() {
      let scaled = element * scale
      sums[index % accumulators] += ofSquares ? scaled * scaled : scaled
    }
    return Partial(sum: byHalves(&sums, +), peak: peak)
  }

  /// The sum of terms in pairs of Floats.
  static func fold(_ terms: [Partial], ofSquares: Bool = true) -> Partial {
    let peak = terms.reduce(0) { max($0, $1.peak) }
    var sums = [Pair](repeating: Pair(high: 0, low: 0), count: accumulators)
    for (index, term) in terms.enumerated() {
      let scaled = rescaled(term, to: peak, ofSquares)
      let sum = sums[index % accumulators]
      let next = Pair(sum.high, scaled)
      sums[index % accumulators] = Pair(high: next.high, low: sum.low + next.low)
    }
    let sum = byHalves(&sums) { a, b in
      let sum = Pair(a.high, b.high)
      return Pair(high: sum.high, low: (a.low + b.low) + sum.low)
    }
    return Partial(sum: sum.high + sum.low, peak: peak)
  }

  private static func byHalves<T>(_ values: inout [T], _ add: (T, T) -> T) -> T {
    var half = values.count / 2
    while half > 0 {
      for index in 0..<half { values[index] = add(values[index], values[index + half]) }
      half /= 2
    }
    return values[0]
  }

  /// A sum and what its roundings have lost.
  private struct Pair {
    var high: Float
    var low: Float

    init(high: Float, low: Float) { (self.high, self.low) = (high, low) }

    /// TwoSum (Knuth).
    init(_ a: Float, _ b: Float) {
      high = a + b
      let part = high - a
      low = (a - (high - part)) + (b - part)
    }
  }

  /// What makes a magnitude of `peak` one from 1 to 4.
  static func downscale(_ peak: UInt32) -> Float { power(127 - scale(peak)) }

  private static func scale(_ peak: UInt32) -> Int { min(max(Int(peak >> 23), 1), 253) }

  /// 2 to the power of a normal Float's exponent.
  private static func power(_ exponent: Int) -> Float {
    Float(bitPattern: UInt32(127 + exponent) << 23)
  }

  private static func rescaled(
    _ term: Partial, to peak: UInt32, _ ofSquares: Bool
  ) -> Float {
    let ratio = power(-min(scale(peak) - scale(term.peak), 126))
    return ofSquares ? term.sum * ratio * ratio : term.sum * ratio
  }

  /// What a partial is of its terms. With one that is not finite a norm is the greatest magnitude,
  /// and a sum NaN.
  static func value(_ total: Partial, _ reduction: RuleSum.Reduction) -> Float {
    if total.peak >= Float.infinity.bitPattern {
      return reduction == .sum ? .nan : Float(bitPattern: total.peak)
    }
    let exponent = scale(total.peak) - 127
    return switch reduction {
    case .norm: times(total.sum.squareRoot(), exponent)
    case .sum: times(total.sum, exponent)
    case .largest: Float(bitPattern: total.peak)
    }
  }

  /// min(1, limit / (N + ε)) for the norm N of the gradient times `gradientScale`.
  static func coefficient(
    _ total: Partial, gradientScale: Float, limit: Float, epsilon: Float
  ) -> Float {
    let magnitude = gradientScale.magnitude
    let root = total.sum.squareRoot() * (magnitude * downscale(magnitude.bitPattern))
    let exponent = min(
      max(scale(total.peak) - 127 + scale(magnitude.bitPattern) - 127, -250), 250)
    let coefficient =
      exponent > 90
      ? times(limit / root, -exponent) : limit / (times(root, exponent) + epsilon)
    return coefficient < 1 ? coefficient : 1
  }

  /// Counts a step whose gradient is `total`, or skips it, and moves the loss scale where there is
  /// one.
  static func decide(
    _ now: inout descent_control, _ total: Partial, gradientScale: Float, _ lossScale: LossScale?
  ) {
    now.total = descent_partial(sum: total.sum, peak: total.peak)
    now.before = now.applied
    now.inverse = 1 / now.lossScale
    now.scale = gradientScale * now.inverse
    let isFinite = (Float(bitPattern: total.peak) * now.scale).isFinite
    now.isSkipped = isFinite ? 0 : 1
    if isFinite { now.applied &+= 1 } else { now.skipped &+= 1 }
    guard var moved = lossScale else { return }
    (moved.scale, moved.stepsSinceChange) = (Double(now.lossScale), Int(now.grown))
    moved.update(foundNonFinite: !isFinite)
    now.set(moved)
  }

  private static func times(_ value: Float, _ exponent: Int) -> Float {
    let part = exponent / 2
    return value * power(part) * power(exponent - part)
  }
}
