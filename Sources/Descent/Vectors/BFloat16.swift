/// A number of 16 bits with the exponent of a Float: 1 sign, 8 exponent and 7 mantissa bits.
///
/// It is the upper half of a Float. Magnitudes are from 2⁻¹³³ to 3.39e38, with 2 to 3 decimal
/// digits.
///
/// For gradients in memory. It has no arithmetic: rules compute in Float.
@frozen
public struct BFloat16: BitwiseCopyable, Sendable {
  /// The upper half of the Float's bits.
  public var bitPattern: UInt16

  /// The number with these bits.
  public init(bitPattern: UInt16) { self.bitPattern = bitPattern }

  /// The nearest number; of two that are as near, the one with an even last bit. What is beyond the
  /// greatest finite one by half a step or more is infinite. Every NaN becomes 0x7fc0.
  public init(_ value: Float) {
    if value.isNaN {
      self = .nan
    } else {
      let bits = value.bitPattern
      // A carry goes into the exponent, as it should.
      bitPattern = UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
    }
  }

  /// The nearest number, rounded once.
  public init(_ value: Double) {
    let near = Float(value)
    guard Double(near) != value, near.isFinite, !value.isNaN else {
      self.init(near)
      return
    }
    // Towards 0, with the last bit set: on which side of a middle the value is.
    let bits =
      near.magnitude > Float.zero && Double(near.magnitude) > value.magnitude
      ? near.bitPattern - 1 : near.bitPattern
    self.init(Float(bitPattern: bits | 1))
  }

  /// Not a number.
  public static var nan: BFloat16 { BFloat16(bitPattern: 0x7fc0) }
  /// Beyond every finite number.
  public static var infinity: BFloat16 { BFloat16(bitPattern: 0x7f80) }
  /// The greatest finite number, (2 − 2⁻⁷) · 2¹²⁷.
  public static var greatestFiniteMagnitude: BFloat16 { BFloat16(bitPattern: 0x7f7f) }

  /// Whether this is not a number.
  public var isNaN: Bool { bitPattern & 0x7fff > 0x7f80 }
}

extension Float {
  /// The same number, exactly.
  public init(_ value: BFloat16) { self.init(bitPattern: UInt32(value.bitPattern) << 16) }
}

extension Float {
  /// The number whose bits are so much more than those of the upper half. A remainder that no Float
  /// has, negative beside 0 or positive beside ∞, counts as 0.
  init(upper: BFloat16, remainder: Int16) {
    let magnitude = upper.bitPattern & 0x7fff
    let belongs =
      magnitude == 0 ? remainder >= 0 : magnitude == 0x7f80 ? remainder < 0 : true
    let more = belongs ? UInt32(bitPattern: Int32(remainder)) : 0
    self.init(bitPattern: Float(upper).bitPattern &+ more)
  }

  /// This number as a bfloat16, rounded to nearest with ties away from 0, and what its bits are
  /// more. NaN is 0x7fc00000.
  var halves: (upper: BFloat16, remainder: Int16) {
    let bits: UInt32 = isNaN ? 0x7fc0_0000 : bitPattern
    return (
      BFloat16(bitPattern: UInt16(truncatingIfNeeded: (bits &+ 0x8000) >> 16)),
      Int16(truncatingIfNeeded: bits)
    )
  }
}

extension Double {
  /// The same number, exactly.
  public init(_ value: BFloat16) { self.init(Float(value)) }
}

extension BFloat16: Hashable {
  /// As for a Float: 0 is −0, and a NaN equals nothing.
  public static func == (a: BFloat16, b: BFloat16) -> Bool { Float(a) == Float(b) }

  /// Hashes the number.
  public func hash(into hasher: inout Hasher) { hasher.combine(Float(self)) }
}

extension BFloat16: Comparable {
  /// As for a Float.
  public static func < (a: BFloat16, b: BFloat16) -> Bool { Float(a) < Float(b) }
}

extension BFloat16: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  /// The number nearest to the literal as a Double.
  public init(floatLiteral value: Double) { self.init(value) }

  /// The number nearest to the literal as a Double.
  public init(integerLiteral value: Int64) { self.init(Double(value)) }
}

extension BFloat16: CustomStringConvertible {
  /// A decimal number of as few digits as make it this one again: `0.1`, where the Float of these
  /// bits is 0.100097656.
  public var description: String {
    let value = Float(self)
    guard value.isFinite, value != 0 else { return value.description }
    for digits in 1...4 {
      for short in Self.neighbours(of: Double(value), digits: digits)
      where BFloat16(short).bitPattern == bitPattern {
        return Float(short).description
      }
    }
    return value.description
  }

  /// The number with so many decimal digits that is nearest, and those next to it.
  private static func neighbours(of value: Double, digits: Int) -> [Double] {
    var (scaled, exponent) = (value.magnitude, 1 - digits)
    while scaled >= 10 { (scaled, exponent) = (scaled / 10, exponent + 1) }
    while scaled < 1 { (scaled, exponent) = (scaled * 10, exponent - 1) }
    for _ in 1..<digits { scaled *= 10 }
    let (sign, nearest) = (value < 0 ? "-" : "", Int(scaled.rounded()))
    return [nearest, nearest + 1, nearest - 1].compactMap { Double("\(sign)\($0)e\(exponent)") }
  }
}
