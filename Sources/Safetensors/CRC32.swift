/// The cyclic redundancy check that zlib, PNG and Python's `zlib.crc32` use (ISO 3309, polynomial
/// 0x04c11db7, reflected). It detects every burst error of up to 32 bits. The checksum of the nine
/// bytes `123456789` is `cbf43926`.
struct CRC32 {
  private var register = ~UInt32(0)

  var value: UInt32 { ~register }

  /// The checksum as metadata stores it: `crc32:cbf43926`.
  static func text(_ value: UInt32) -> String { prefix + hexadecimal(value) }
  static let prefix = "crc32:"

  /// Parses the result of ``text(_:)``; nil for any other text.
  static func value(_ text: String) -> UInt32? {
    // The length is compared first: comparing a long text from a file may take long.
    guard text.utf8.count == prefix.utf8.count + 8,
      let value = UInt32(text.droppingBytes(prefix.utf8.count), radix: 16),
      self.text(value) == text
    else { return nil }
    return value
  }

  private static func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }

  // Slicing by 16: tables[256 k + b] is the contribution of byte b followed by k zero bytes.
  private static let tables: [UInt32] = {
    var tables: [UInt32] = []
    for byte in 0..<UInt32(256) {
      var crc = byte
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
      tables.append(crc)
    }
    for entry in 256..<16 * 256 {
      let before = tables[entry - 256]
      tables.append(before >> 8 ^ tables[Int(before & 0xff)])
    }
    return tables
  }()

  mutating func combine(_ bytes: UnsafeRawBufferPointer) {
    register = Self.tables.withUnsafeBufferPointer { tables in
      var (crc, position) = (register, 0)
      while position + 16 <= bytes.count {
        var next: UInt32 = 0
        for word in 0..<4 {
          var four = bytes.loadUnaligned(fromByteOffset: position + 4 * word, as: UInt32.self)
          if word == 0 { four ^= crc }
          let table = 256 * (12 - 4 * word)
          next ^=
            tables[table + 768 + Int(four & 0xff)] ^ tables[table + 512 + Int(four >> 8 & 0xff)]
          next ^= tables[table + 256 + Int(four >> 16 & 0xff)] ^ tables[table + Int(four >> 24)]
        }
        crc = next
        position += 16
      }
      for byte in bytes[position...] { crc = crc >> 8 ^ tables[Int((crc ^ UInt32(byte)) & 0xff)] }
      return crc
    }
  }

  mutating func combine(_ text: String) {
    var text = text
    text.withUTF8 { combine(UnsafeRawBufferPointer($0)) }
  }
}
