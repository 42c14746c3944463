/// A JSON value as a tree, for metadata that holds more than strings. Numbers are kept as text, so
/// that none is rounded before its type is known.
package enum JSONValue: Equatable {
  case null
  case bool(Bool)
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])
}

extension JSONValue {
  /// Parses an untrusted text. Duplicate keys and nesting deeper than ``JSONReader/maximumDepth``
  /// are rejected.
  package init(_ text: String) throws(SafetensorsError) {
    var reader = JSONReader(Array(text.utf8), file: "")
    self = try Self.read(&reader, depth: 0)
    try reader.end()
  }

  private static func read(
    _ reader: inout JSONReader, depth: Int
  ) throws(SafetensorsError) -> JSONValue {
    reader.skipSpace()
    guard depth < JSONReader.maximumDepth else {
      throw reader.malformed(
        reader.position, "deeper nesting", "up to \(JSONReader.maximumDepth) levels")
    }
    switch reader.next {
    case UInt8(ascii: "{"):
      var members: [String: JSONValue] = [:]
      try reader.object { (reader, key) throws(SafetensorsError) in
        members.updateValue(try read(&reader, depth: depth + 1), forKey: key) == nil
      }
      return .object(members)
    case UInt8(ascii: "["):
      var elements: [JSONValue] = []
      try reader.array(limit: .max) { reader throws(SafetensorsError) in
        elements.append(try read(&reader, depth: depth + 1))
      }
      return .array(elements)
    case UInt8(ascii: "\""): return .string(try reader.name())
    case UInt8(ascii: "t"):
      try reader.skip("true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try reader.skip("false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try reader.skip("null")
      return .null
    default: return .number(try reader.number())
    }
  }

  /// The JSON text on one line, with keys sorted by their bytes, so that equal values have equal
  /// texts.
  package var text: String {
    switch self {
    case .null: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .number(let digits): return digits
    case .string(let text): return quoted(text)
    case .array(let elements): return "[" + elements.map(\.text).joined(separator: ",") + "]"
    case .object(let members):
      let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      let pairs = sorted.map { quoted($0.key) + ":" + $0.value.text }
      return "{" + pairs.joined(separator: ",") + "}"
    }
  }

  /// A description for error messages.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let digits): excerpt(digits)
    case .string(let text): excerpt(text)
    case .array: "an array"
    case .object: "an object"
    }
  }
}
