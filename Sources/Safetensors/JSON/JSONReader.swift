/// A parser of JSON (RFC 8259) for untrusted files. The caller states at each place what it
/// expects, so nothing else is built, and unexpected nesting is rejected at once.
///
/// A general parser hides what matters here: duplicate keys, numbers that do not fit into an `Int`,
/// and the byte at which parsing failed.
struct JSONReader {
  let bytes: [UInt8]
  private let file: String
  private let origin: Int
  var position = 0

  /// - Parameter origin: where in the file the bytes begin.
  init(_ bytes: [UInt8], file: String, origin: Int = 0) {
    (self.bytes, self.file, self.origin) = (bytes, file, origin)
  }

  var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// The error for finding anything but `allowed` at this position.
  func unexpected(_ allowed: String) -> SafetensorsError {
    let found =
      switch next {
      case nil: "the end"
      case let byte? where byte > 0x20 && byte < 0x7f: "\"\(Character(Unicode.Scalar(byte)))\""
      case let byte?: "the byte 0x" + String(byte, radix: 16)
      }
    return malformed(position, found, allowed)
  }

  func malformed(_ position: Int, _ found: String, _ allowed: String) -> SafetensorsError {
    .malformed(file: file, at: .byte(origin + position), found: found, allowed: allowed)
  }

  mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d {
      position += 1
    }
  }

  /// Consumes the character if it is the next one; returns whether it was.
  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  /// Throws unless nothing but white space is left.
  mutating func end() throws(SafetensorsError) {
    skipSpace()
    if next != nil { throw unexpected("the end") }
  }

  /// Reads an object. `member` is called with each key; it must read the value, and return whether
  /// the key is new.
  mutating func object(
    _ member: (inout JSONReader, String) throws(SafetensorsError) -> Bool
  ) throws(SafetensorsError) {
    skipSpace()
    guard take("{") else { throw unexpected("an object") }
    skipSpace()
    if take("}") { return }
    repeat {
      skipSpace()
      let start = position
      let key = try name()
      skipSpace()
      guard take(":") else { throw unexpected("\":\"") }
      guard try member(&self, key) else {
        throw malformed(start, "\(excerpt(key)) for the second time", "each key once")
      }
      skipSpace()
    } while take(",")
    guard take("}") else { throw unexpected("\",\" or \"}\"") }
  }

  /// Reads an array of at most `limit` elements; `element` must read one.
  mutating func array(
    limit: Int, _ element: (inout JSONReader) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) {
    skipSpace()
    guard take("[") else { throw unexpected("an array") }
    skipSpace()
    if take("]") { return }
    var count = 0
    repeat {
      if count == limit {
        throw malformed(position, "another element", "an array of up to \(limit)")
      }
      count += 1
      try element(&self)
      skipSpace()
    } while take(",")
    guard take("]") else { throw unexpected("\",\" or \"]\"") }
  }

  /// Reads an integer from 0 to `Int.max`, without sign, point or exponent.
  mutating func integer() throws(SafetensorsError) -> Int {
    skipSpace()
    let (start, allowed) = (position, "a whole number from 0 to \(Int.max)")
    var (value, overflow) = (0, false)
    while let byte = next, byte >= 0x30 && byte <= 0x39 {
      let (tens, tooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, tooLargeToo) = tens.addingReportingOverflow(Int(byte) - 0x30)
      overflow = overflow || tooLarge || tooLargeToo
      value = overflow ? 0 : sum
      position += 1
    }
    if position == start { throw unexpected(allowed) }
    if let byte = next, byte == 0x2e || byte | 0x20 == 0x65 { throw unexpected(allowed) }
    if overflow { throw malformed(start, "a number above it", allowed) }
    if bytes[start] == 0x30 && position > start + 1 {
      throw malformed(start, "a leading zero", allowed)
    }
    return value
  }

  /// Reads a string that will be hashed or compared, which must be stream-safe.
  mutating func name() throws(SafetensorsError) -> String {
    skipSpace()
    let start = position
    let name = try string()
    guard name.isStreamSafe else {
      throw malformed(
        start, "more than \(String.maximumCombiningMarks) combining marks in a row",
        "up to \(String.maximumCombiningMarks) in a name or key")
    }
    return name
  }

  /// Reads any string.
  mutating func string() throws(SafetensorsError) -> String {
    skipSpace()
    guard take("\"") else { throw unexpected("a string") }
    let start = position
    var text: [UInt8] = []
    var plain = position
    while true {
      guard let byte = next else { throw unexpected("\"\"\" at the end of a string") }
      if byte < 0x20 { throw unexpected("a control character only as an escape") }
      if byte != 0x22 && byte != 0x5c {
        position += 1
        continue
      }
      text += bytes[plain..<position]
      position += 1
      if byte == 0x22 { break }
      text += try escape().utf8
      plain = position
    }
    guard let string = String(validating: text, as: UTF8.self) else {
      throw malformed(start, "a string that is no UTF-8", "UTF-8")
    }
    return string
  }

  /// Reads an escape sequence after its backslash.
  private mutating func escape() throws(SafetensorsError) -> String {
    let allowed = "one of \" \\ / b f n r t u after a backslash"
    guard let byte = next else { throw unexpected(allowed) }
    let start = position - 1
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
      return String(Unicode.Scalar(byte))
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      var code = try fourHexadecimals()
      if 0xd800..<0xdc00 ~= code, take("\\") {
        guard take("u") else { throw unexpected("the second half of a surrogate pair") }
        let low = try fourHexadecimals()
        // Without a low surrogate, `code` stays a high one, which is not a scalar.
        code = 0xdc00..<0xe000 ~= low ? 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00) : code
      }
      guard let scalar = Unicode.Scalar(code) else {
        throw malformed(start, "half a surrogate pair", "both halves, or none")
      }
      return String(scalar)
    default:
      position -= 1
      throw unexpected(allowed)
    }
  }

  private mutating func fourHexadecimals() throws(SafetensorsError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw unexpected("four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }
}
