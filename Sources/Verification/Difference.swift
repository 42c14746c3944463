/// How far apart two results are, element by element.
package struct Difference: Equatable {
  /// Elements whose bits differ; NaN agrees with NaN.
  package var bitsApart = 0
  /// The largest distance in ulps, counted in representable numbers; ∞ if only one is NaN.
  package var worstUlp = 0.0

  package init() {}

  package init(_ left: [Float], _ right: [Float]) {
    if left.count != right.count {
      (bitsApart, worstUlp) = (max(left.count, right.count), .infinity)
    }
    for (a, b) in zip(left, right) where a.bitPattern != b.bitPattern {
      if a.isNaN && b.isNaN { continue }
      bitsApart += 1
      worstUlp = max(worstUlp, Self.distance(a, b))
    }
  }

  package mutating func merge(_ other: Difference) {
    bitsApart += other.bitsApart
    worstUlp = max(worstUlp, other.worstUlp)
  }

  private static func distance(_ a: Float, _ b: Float) -> Double {
    a.isNaN || b.isNaN ? .infinity : abs(ordinal(a) - ordinal(b))
  }

  /// A float's position in the order of all floats. −0 and +0 are neighbours here, since their bits
  /// differ.
  private static func ordinal(_ value: Float) -> Double {
    let magnitude = Double(value.bitPattern & 0x7fff_ffff)
    return value.sign == .minus ? -magnitude - 1 : magnitude
  }
}
