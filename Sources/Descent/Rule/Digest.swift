/// A 64-bit fingerprint of floats' bits: FNV-1a over 32-bit words, every NaN counted as 0x7fc00000,
/// since the sign and payload of a NaN differ between processors.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
  /// The fingerprint of what was combined so far.
  public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  /// Of no floats.
  public init() {}

  /// Of all values, in their order.
  public init(_ values: [Float]) { combine(values) }

  /// Adds values behind those so far.
  public mutating func combine(_ values: [Float]) {
    for element in values {
      let word = element.isNaN ? 0x7fc0_0000 : element.bitPattern
      value = (value ^ UInt64(word)) &* 0x0000_0100_0000_01b3
    }
  }

  /// Sixteen hexadecimal digits.
  public var description: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
