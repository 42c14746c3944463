import Descent

/// Parameters, gradients and a rule's states in host memory, as many as a measurement needs.
final class HostVectors {
  let count: Int
  let parameters: UnsafeMutableBufferPointer<Float>
  let gradients: UnsafeMutableBufferPointer<Float>
  let states: [UnsafeMutableBufferPointer<Float>]

  init(count: Int, states: Int) {
    self.count = count
    parameters = Self.vector(count) { Inputs.parameter($0) }
    gradients = Self.vector(count) { Inputs.gradient($0) }
    self.states = (0..<states).map { _ in Self.vector(count) { _ in 0 } }
  }

  deinit {
    for vector in [parameters, gradients] + states { vector.deallocate() }
  }

  /// Begins at a page, as an optimizer's states do.
  private static func vector(
    _ count: Int, _ value: (Int) -> Float
  ) -> UnsafeMutableBufferPointer<Float> {
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(1, count) * MemoryLayout<Float>.stride, alignment: 4096)
    let vector = bytes.bindMemory(to: Float.self)
    for index in 0..<count { vector.initializeElement(at: index, to: value(index)) }
    return UnsafeMutableBufferPointer(rebasing: vector[..<count])
  }
}

/// What the vectors hold before the first step: magnitudes from 2⁻¹⁰ to 1 of either sign, so that
/// no processor takes a slow path for denormals.
enum Inputs {
  static func parameter(_ index: Int) -> Float { value(UInt64(index)) }
  static func gradient(_ index: Int) -> Float { value(UInt64(index) | 1 << 40) }

  /// A multiplicative hash is random enough for a value that is only carried about.
  private static func value(_ seed: UInt64) -> Float {
    let random = (seed &+ 1) &* 0x9e37_79b9_7f4a_7c15
    let sign = UInt32(random >> 63) << 31
    let exponent = 117 + UInt32(random >> 32 & 0xff) % 10
    return Float(bitPattern: sign | exponent << 23 | UInt32(random >> 40) & 0x007f_ffff)
  }
}
