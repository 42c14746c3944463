extension JSONReader {
  /// The maximum nesting depth of a value.
  static let maximumDepth = 64

  /// Skips a value. Its objects may have duplicate keys.
  mutating func skipValue(depth: Int = 0) throws(SafetensorsError) {
    skipSpace()
    guard depth < Self.maximumDepth else {
      throw malformed(position, "deeper nesting", "up to \(Self.maximumDepth) levels")
    }
    switch next {
    case UInt8(ascii: "{"):
      try object { (reader, _) throws(SafetensorsError) in
        try reader.skipValue(depth: depth + 1)
        return true
      }
    case UInt8(ascii: "["):
      try array(limit: .max) { reader throws(SafetensorsError) in
        try reader.skipValue(depth: depth + 1)
      }
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "t"): try skip("true")
    case UInt8(ascii: "f"): try skip("false")
    case UInt8(ascii: "n"): try skip("null")
    default: try skipNumber()
    }
  }

  mutating func skip(_ word: StaticString) throws(SafetensorsError) {
    for index in 0..<word.utf8CodeUnitCount {
      guard next == word.utf8Start[index] else { throw unexpected("\(word)") }
      position += 1
    }
  }

  /// Reads a number and returns its text.
  mutating func number() throws(SafetensorsError) -> String {
    let start = position
    try skipNumber()
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func skipNumber() throws(SafetensorsError) {
    _ = take("-")
    if !take("0") { try skipDigits("a value") }
    if take(".") { try skipDigits("a digit") }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      try skipDigits("a digit")
    }
  }

  private mutating func skipDigits(_ allowed: String) throws(SafetensorsError) {
    let start = position
    while let byte = next, byte >= 0x30 && byte <= 0x39 { position += 1 }
    if position == start { throw unexpected(allowed) }
  }
}
