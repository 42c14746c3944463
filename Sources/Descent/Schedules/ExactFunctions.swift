// The C library's cos, log and pow differ between machines in the last digits; these are + − × ÷ √
// alone.

/// cos(πx) for x from 0 to 1, within 2 ulp; exactly 1, 0 and −1 at 0, ½ and 1.
func cosineOfPi(times x: Double) -> Double {
  // Both subtractions are exact.
  if x > 0.5 { return -cosineOfPi(times: 1 - x) }
  return x > 0.25 ? sineOfSmall(.pi * (0.5 - x)) : cosineOfSmall(.pi * x)
}

/// sin y for |y| ≤ π/4, by its series up to y¹⁷; the next term is below 2⁻⁶³ of it.
func sineOfSmall(_ y: Double) -> Double {
  let z = y * y
  var sum = 0.0
  for k in stride(from: 16.0, through: 4, by: -2) { sum = (1 - sum) * z / (k * (k + 1)) }
  return y - y * ((1 - sum) * z / 6)
}

/// cos y for |y| ≤ π/4, by its series up to y¹⁶; the next term is below 2⁻⁵⁸.
func cosineOfSmall(_ y: Double) -> Double {
  let z = y * y
  var sum = 0.0
  for k in stride(from: 16.0, through: 4, by: -2) { sum = (1 - sum) * z / (k * (k - 1)) }
  return 1 - (1 - sum) * z / 2
}

/// base^exponent for a base and an exponent of at least 0, within some ulp for the part of the
/// exponent behind the point, and as ``power(_:_:)-(Double,Int)`` for the whole part.
func power(_ base: Double, _ exponent: Double) -> Double {
  guard exponent > 0 else { return 1 }
  let whole = exponent < 0x1p62 ? Int(exponent) : 1 << 62
  guard exponent < 0x1p53 else { return power(base, whole) }
  let digits = UInt64((exponent - Double(whole)) * 0x1p60)
  // base^0.b₁b₂… = base^(b₁/2) · √(base^0.b₂b₃…): each root halves the error that it is given.
  let root = base.squareRoot()
  var result = 1.0
  for place in 0..<60 where digits != 0 {
    result = result.squareRoot()
    if digits >> place & 1 == 1 { result *= root }
  }
  return power(base, whole) * result
}

/// ln x for an x of at least 0, within 2 ulp; −∞ at 0.
func logarithm(_ x: Double) -> Double {
  if x == 0 { return -.infinity }
  // x = m · 2ᵉ with m from ¾ to below 1½, so that nothing cancels.
  var (mantissa, exponent) = (x.significand, Double(x.exponent))
  if mantissa >= 1.5 { (mantissa, exponent) = (mantissa / 2, exponent + 1) }
  // ln m = 2 artanh z, by its series up to z³¹; z is at most ⅕.
  let z = (mantissa - 1) / (mantissa + 1)
  let square = z * z
  var sum = 0.0
  for k in stride(from: 31.0, through: 3, by: -2) { sum = (sum + 1 / k) * square }
  let small = 2 * z + 2 * z * sum
  // ln 2 in two parts, the first of which any exponent multiplies exactly.
  return exponent * 0x1.62e42fefap-1 + (exponent * 0x1.cf79abc9e3b3ap-40 + small)
}
