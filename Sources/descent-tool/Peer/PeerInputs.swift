/// What parameters and gradients hold before the first step. Benchmarks/peers/inputs.py has the
/// same numbers: magnitudes from 1/16 to 1 of either sign, so that neither denormals nor an ε
/// matter.
enum PeerInputs {
  static func parameter(_ index: Int) -> Float { value(UInt64(index) << 1) }
  static func gradient(_ index: Int) -> Float { value(UInt64(index) << 1 | 1) }

  /// A multiplicative hash is random enough for numbers whose meaning does not matter.
  private static func value(_ seed: UInt64) -> Float {
    let random = (seed &+ 1) &* 0x9e37_79b9_7f4a_7c15
    let sign = UInt32(random >> 63) << 31
    let exponent = 123 + UInt32(random >> 32) & 3
    return Float(bitPattern: sign | exponent << 23 | UInt32(random >> 40) & 0x007f_ffff)
  }
}
