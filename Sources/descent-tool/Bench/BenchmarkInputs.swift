import Foundation

/// What vectors hold before the first step: numbers that repeat with a period, so that every
/// element of a long vector can be checked against a short one.
///
/// Magnitudes are from 2⁻¹⁰ to 1, of either sign, so that no processor takes a slow path for
/// denormals.
struct BenchmarkInputs: Sendable {
  let parameters: [Float]
  let gradients: [Float]

  /// A prime, so that neither lanes nor blocks nor pages repeat with it.
  var period: Int { parameters.count }

  /// - Parameter count: of the vectors. Short ones take many steps in a measurement, and the
  ///   reference has to take them all.
  init(count: Int) {
    let period = count < 1 << 18 ? 1_021 : count < 1 << 24 ? 4_093 : 65_521
    parameters = (0..<period).map { Self.value(UInt64($0)) }
    gradients = (0..<period).map { Self.value(UInt64($0) | 1 << 40) }
  }

  /// A multiplicative hash is random enough for a value whose meaning does not matter.
  private static func value(_ seed: UInt64) -> Float {
    let random = (seed &+ 1) &* 0x9e37_79b9_7f4a_7c15
    let sign = UInt32(random >> 63) << 31
    let exponent = 117 + UInt32(random >> 32 & 0xff) % 10
    return Float(bitPattern: sign | exponent << 23 | UInt32(random >> 40) & 0x007f_ffff)
  }
}

/// Floats in host memory that begin at a page, as an optimizer's states do.
final class HostVector {
  let memory: UnsafeMutableBufferPointer<Float>

  /// - Parameter pattern: what the vector holds, over and over.
  /// - Throws: ``BenchmarkError/memory(_:)`` where the machine has not that much.
  init(count: Int, repeating pattern: [Float]) throws {
    let bytes = max(1, count) * MemoryLayout<Float>.stride
    var start: UnsafeMutableRawPointer?
    // Not Swift's allocate, which ends the program where there is no memory.
    guard posix_memalign(&start, 4096, bytes) == 0, let start else {
      throw BenchmarkError.memory("this machine has no memory for a vector of \(bytes) bytes")
    }
    memory = UnsafeMutableBufferPointer(
      start: start.bindMemory(to: Float.self, capacity: max(1, count)), count: count)
    memory.fill(repeating: pattern)
  }

  deinit { free(memory.baseAddress) }

  var pointer: UnsafeMutablePointer<Float>? { memory.baseAddress }
  var constant: UnsafeBufferPointer<Float> { UnsafeBufferPointer(memory) }
}

extension UnsafeMutableBufferPointer<Float> {
  /// Writes the pattern over and over.
  ///
  /// - Parameter first: how many elements of it precede this memory.
  func fill(repeating pattern: [Float], from first: Int = 0) {
    guard let start = baseAddress, !pattern.isEmpty else { return }
    pattern.withUnsafeBufferPointer { pattern in
      guard let source = pattern.baseAddress else { return }
      var done = 0
      while done < count {
        let phase = (first + done) % pattern.count
        let length = Swift.min(pattern.count - phase, count - done)
        (start + done).update(from: source + phase, count: length)
        done += length
      }
    }
  }
}
