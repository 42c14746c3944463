/// An IEEE half as a `Float`, exactly; of integer operations alone, so that no setting of the
/// processor makes a denormal 0.
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

extension SafetensorsType {
  /// Writes the elements of this type that lie in `source`, one of ``readableAsFloat``, to
  /// `destination`. All are exact but `F64`, which is rounded to the nearest.
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
    case .float64: withDefaultFloatingPoint { each(Double.self) { Float($0) } }
    default: each(Float.self) { $0 }
    }
  }
}
