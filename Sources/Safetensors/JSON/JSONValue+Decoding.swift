extension JSONValue {
  /// Decodes a value of that type. A number must fit its type. Throws `DecodingError`, and what the
  /// type's `init(from:)` throws.
  package func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
    try ValueDecoder(value: self, codingPath: []).decode(type)
  }
}

private struct ValueDecoder: Decoder, SingleValueDecodingContainer {
  let value: JSONValue
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func mismatch(_ allowed: String, _ type: any Any.Type) -> DecodingError {
    .typeMismatch(
      type,
      .init(codingPath: codingPath, debugDescription: "\(value.kind); allowed is \(allowed)"))
  }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .object(let members) = value else { throw mismatch("an object", type) }
    return KeyedDecodingContainer(KeyedValues(members: members, codingPath: codingPath))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .array(let elements) = value else { throw mismatch("an array", [Int].self) }
    return ValuesInOrder(elements: elements, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { self }

  func decodeNil() -> Bool { value == .null }

  func decode<T: Decodable>(_ type: T.Type) throws -> T {
    let (found, allowed): (Any?, String)
    switch type {
    case is Bool.Type:
      allowed = "true or false"
      if case .bool(let bool) = value { found = bool } else { found = nil }
    case is String.Type:
      allowed = "a string"
      if case .string(let text) = value { found = text } else { found = nil }
    case let type as any FixedWidthInteger.Type:
      allowed = "a whole number"
      found = integer(type)
    case is Double.Type: (found, allowed) = (finite(Double.self), "a number")
    case is Float.Type: (found, allowed) = (finite(Float.self), "a number")
    default: return try T(from: self)
    }
    guard let found = found as? T else { throw mismatch(allowed, type) }
    return found
  }

  private func integer<Integer: FixedWidthInteger>(_ type: Integer.Type) -> Integer? {
    if case .number(let digits) = value { Integer(digits) } else { nil }
  }

  private func finite<Number: BinaryFloatingPoint & LosslessStringConvertible>(
    _ type: Number.Type
  ) -> Number? {
    guard case .number(let digits) = value, let number = Number(digits), number.isFinite
    else { return nil }
    return number
  }
}

private struct KeyedValues<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let members: [String: JSONValue]
  let codingPath: [any CodingKey]

  var allKeys: [Key] { members.keys.compactMap { Key(stringValue: $0) } }
  func contains(_ key: Key) -> Bool { members[key.stringValue] != nil }

  private func decoder(_ key: any CodingKey) throws -> ValueDecoder {
    guard let value = members[key.stringValue] else {
      throw DecodingError.keyNotFound(
        key,
        .init(
          codingPath: codingPath, debugDescription: "no \(key.stringValue); allowed is one"))
    }
    return ValueDecoder(value: value, codingPath: codingPath + [key])
  }

  func decodeNil(forKey key: Key) throws -> Bool { try decoder(key).decodeNil() }
  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
    try decoder(key).decode(type)
  }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<NestedKey> {
    try decoder(key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try decoder(key).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder { try decoder(PathKey(stringValue: "super")) }
  func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }
}

private struct ValuesInOrder: UnkeyedDecodingContainer {
  let elements: [JSONValue]
  let codingPath: [any CodingKey]
  private(set) var currentIndex = 0

  init(elements: [JSONValue], codingPath: [any CodingKey]) {
    (self.elements, self.codingPath) = (elements, codingPath)
  }

  var count: Int? { elements.count }
  var isAtEnd: Bool { currentIndex == elements.count }

  private var decoder: ValueDecoder {
    get throws {
      let path = codingPath + [PathKey(stringValue: "\(currentIndex)")]
      guard !isAtEnd else {
        throw DecodingError.valueNotFound(
          Any.self,
          .init(codingPath: path, debugDescription: "the end; allowed is another element"))
      }
      return ValueDecoder(value: elements[currentIndex], codingPath: path)
    }
  }

  /// Advances to the next element after `body` has read this one.
  private mutating func next<Result>(_ body: (ValueDecoder) throws -> Result) throws -> Result {
    let result = try body(decoder)
    currentIndex += 1
    return result
  }

  mutating func decodeNil() throws -> Bool {
    guard try decoder.decodeNil() else { return false }
    currentIndex += 1
    return true
  }

  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
    try next { try $0.decode(type) }
  }

  mutating func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type
  ) throws -> KeyedDecodingContainer<NestedKey> {
    try next { try $0.container(keyedBy: type) }
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try next { try $0.unkeyedContainer() }
  }

  mutating func superDecoder() throws -> any Decoder { try next { $0 } }
}
