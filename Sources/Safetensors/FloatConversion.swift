// Conversions use integer operations only, so that no setting of the processor flushes a denormal
// or changes the rounding.

/// Converts an IEEE half to `Float`, exactly.
func float(half bits: UInt16) -> Float {
  let (sign, mantissa) = (UInt32(bits & 0x8000) << 16, UInt32(bits & 0x3ff))
  switch UInt32(bits >> 10 & 0x1f) {
  case 0x1f: return Float(bitPattern: sign | 0x7f80_0000 | mantissa << 13)
  case 0 where mantissa == 0: return Float(bitPattern: sign)
  case 0:
    let shift = UInt32(mantissa.leadingZeroBitCount) - 21
    return Float(bitPattern: sign | (113 - shift) << 23 | (mantissa << shift & 0x3ff) << 13)
  case let exponent: return Float(bitPattern: sign | (exponent + 112) << 23 | mantissa << 13)
  }
}

/// Converts a `Double` to the nearest `Float`, ties to even.
func float(double bits: UInt64) -> Float {
  let sign = UInt32(truncatingIfNeeded: bits >> 32) & 0x8000_0000
  let exponent = Int(bits >> 52 & 0x7ff) - 1023
  let fraction = bits & 0xf_ffff_ffff_ffff
  if exponent == 1024 {
    let payload = fraction == 0 ? 0 : 0x40_0000 | UInt32(fraction >> 29)
    return Float(bitPattern: sign | 0x7f80_0000 | payload)
  }
  if exponent < -150 { return Float(bitPattern: sign) }
  // Below 2⁻¹²⁶ a Float has fewer bits, and no implicit one.
  let isNormal = exponent >= -126
  let shift = isNormal ? 29 : -97 - exponent
  let significand = isNormal ? fraction : fraction | 1 << 52
  let kept = significand >> shift
  let (rest, half) = (significand & (1 << shift - 1), UInt64(1) << (shift - 1))
  let roundsUp = rest > half || rest == half && kept & 1 == 1
  // A carry out of the fraction increments the exponent, up to that of infinity.
  let biased = isNormal ? UInt64(exponent + 127) << 23 : 0
  let magnitude = min(biased + kept + (roundsUp ? 1 : 0), 0x7f80_0000)
  return Float(bitPattern: sign | UInt32(magnitude))
}

extension SafetensorsType {
  /// Converts the elements in `source`, which are of this type, and writes them to `destination`.
  /// The type must be one of ``readableAsFloat``. All conversions are exact except that of `F64`,
  /// which rounds to nearest.
  func convert(_ source: UnsafeRawBufferPointer, to destination: UnsafeMutablePointer<Float>) {
    func each<Element>(_ type: Element.Type, _ float: (Element) -> Float) {
      for index in 0..<source.count / size {
        destination[index] = float(
          source.loadUnaligned(fromByteOffset: index * size, as: type))
      }
    }
    switch self {
    case .float16: each(UInt16.self) { float(half: $0) }
    case .bfloat16: each(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
    case .float64: each(UInt64.self) { float(double: $0) }
    default: each(Float.self) { $0 }
    }
  }
}
