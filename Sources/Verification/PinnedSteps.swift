/// Parameters and gradients to compare engines on, the same on every machine: made by integer
/// arithmetic alone.
package struct PinnedSteps: Sendable {
  /// The number of elements.
  package let count: Int
  /// Whether ∞ and NaN are among the values.
  package let special: Bool

  /// The vectors of `count` elements, with ∞ and NaN among them if `special`.
  package init(count: Int, special: Bool = false) {
    (self.count, self.special) = (count, special)
  }

  /// Parameters before the first step: magnitudes over 40 binades, and every few elements a zero, a
  /// denormal, a huge or a tiny value.
  package var parameters: [Float] { values(stream: 0) }

  /// The gradients of step `step`, counted from 1.
  package func gradients(_ step: Int) -> [Float] { values(stream: UInt64(step)) }

  private func values(stream: UInt64) -> [Float] {
    (0..<count).map { index in
      let random = Self.mix(stream << 40 ^ UInt64(index))
      return Self.value(random, special: special)
    }
  }

  /// SplitMix64's output function (Steele, Lea & Flood 2014).
  package static func mix(_ seed: UInt64) -> UInt64 {
    var z = seed &* 0x9e37_79b9_7f4a_7c15 &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  private static func value(_ random: UInt64, special: Bool) -> Float {
    let sign = UInt32(random >> 63) << 31
    let mantissa = UInt32(truncatingIfNeeded: random) & 0x007f_ffff
    // About 8 of 64 elements are edge cases; the others have exponents −30…9.
    let magnitude: UInt32 =
      switch random >> 32 & 63 {
      case 0, 1: 0
      case 2: mantissa  // denormal
      case 3: 0x0080_0000 | mantissa  // next to denormal
      case 4: 0x1e00_0000 | mantissa  // its square underflows
      case 5: 0x5f80_0000 | mantissa  // its square overflows
      case 6: 0x7f00_0000 | mantissa  // next to infinity
      case 7 where special: random & 1 << 40 == 0 ? 0x7f80_0000 : 0x7fc0_0000
      default: (97 + UInt32(random >> 48 & 0xff) % 40) << 23 | mantissa
      }
    return Float(bitPattern: sign | magnitude)
  }
}
