import Testing

@testable import Descent

/// The type itself: rounding, order, text.
@Suite struct BFloat16Tests {
  private static let all = (0...UInt16.max).map { BFloat16(bitPattern: $0) }

  @Test("a Float's upper half, exactly; back, the same bits")
  func exact() {
    for number in Self.all {
      #expect(Float(number).bitPattern == UInt32(number.bitPattern) << 16)
      #expect(BFloat16(Float(number)).bitPattern == (number.isNaN ? 0x7fc0 : number.bitPattern))
      #expect(number.isNaN == Float(number).isNaN)
    }
  }

  @Test("rounds to the nearest, ties to even, from Float and from Double")
  func rounding() {
    for number in Self.all where Float(number).isFinite {
      let low = Double(number)
      // The next one away from 0; beyond the greatest, 2¹²⁸.
      let next = BFloat16(bitPattern: number.bitPattern + 1)
      let high = Float(next).isFinite ? Double(next) : (low < 0 ? -0x1p128 : 0x1p128)
      let middle = (low + high) / 2
      let even = number.bitPattern.isMultiple(of: 2) ? number : next
      #expect(BFloat16(middle).bitPattern == even.bitPattern)
      #expect(BFloat16(Float(middle)).bitPattern == even.bitPattern)
      let (below, above) =
        low < 0 ? (middle.nextUp, middle.nextDown) : (middle.nextDown, middle.nextUp)
      if low != 0 {
        #expect(BFloat16(below).bitPattern == number.bitPattern)
        #expect(BFloat16(above).bitPattern == next.bitPattern)
      }
      #expect(BFloat16(low).bitPattern == number.bitPattern)
    }
    #expect(BFloat16(Double.infinity) == .infinity && BFloat16(1e300) == .infinity)
    #expect(BFloat16(-1e300) == BFloat16(bitPattern: 0xff80))
    #expect(BFloat16(Double.nan).isNaN && BFloat16(Float.nan).bitPattern == 0x7fc0)
    #expect(BFloat16(5e-324).bitPattern == 0 && BFloat16(-5e-324).bitPattern == 0x8000)
    #expect(BFloat16(Float.greatestFiniteMagnitude) == .infinity)
    #expect(Float(BFloat16.greatestFiniteMagnitude) == 0x1.fep127)
  }

  @Test("compares and hashes as a Float does")
  func order() {
    let (zero, negative): (BFloat16, BFloat16) = (0, BFloat16(bitPattern: 0x8000))
    #expect(zero == negative && zero.hashValue == negative.hashValue)
    #expect(BFloat16.nan != .nan && !(BFloat16.nan < 1) && !(BFloat16.nan > 1))
    #expect((-1.5 as BFloat16) < 0 && (2 as BFloat16) > 1.5 && BFloat16.infinity > 3e38)
    #expect(Set(Self.all.filter { !$0.isNaN }).count == 65_536 - 2 * 127 - 1)
  }

  @Test("its text is the number, and as short as any")
  func text() throws {
    for number in Self.all where !number.isNaN {
      let value = try #require(Double(number.description))
      #expect(BFloat16(value).bitPattern == number.bitPattern, "\(number)")
    }
    let cases: [(BFloat16, String)] = [
      (0.1, "0.1"), (1, "1.0"), (-2.5, "-2.5"), (0, "0.0"), (3.14159, "3.14"), (1e30, "1e+30"),
      (.infinity, "inf"), (.nan, "nan"), (256, "256.0"), (0x1p64, "1.85e+19"),
      (BFloat16(bitPattern: 1), "9e-41"),
    ]
    for (number, text) in cases { #expect(number.description == text) }
  }
}
