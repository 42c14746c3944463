extension JSONValue {
  /// Encodes a value as JSON. Throws for a number that is not finite, which JSON cannot represent,
  /// and what the value's `encode(to:)` throws.
  package init(encoding value: some Encodable) throws {
    let place = EncodingPlace()
    try place.encode(value, [])
    self = place.value
  }
}

/// A node of the tree while it is built. A class, since a container may be filled while its owner
/// adds other values.
private final class EncodingPlace {
  enum Content {
    case value(JSONValue)
    case array([EncodingPlace])
    case object([String: EncodingPlace])
  }
  var content: Content?

  var value: JSONValue {
    switch content {
    case nil: .null
    case .value(let value): value
    case .array(let places): .array(places.map(\.value))
    case .object(let places): .object(places.mapValues(\.value))
    }
  }

  func encode(_ value: some Encodable, _ path: [any CodingKey]) throws {
    switch value {
    case let value as Bool: content = .value(.bool(value))
    case let value as String: content = .value(.string(value))
    case let value as any BinaryInteger: content = .value(.number("\(value)"))
    case let value as Double: try encode(number: value, value.isFinite, path)
    case let value as Float: try encode(number: value, value.isFinite, path)
    default: try value.encode(to: PlaceEncoder(place: self, codingPath: path))
    }
  }

  /// A number's description is the shortest text that reads back as the same number.
  private func encode(
    number: some Encodable & CustomStringConvertible, _ isFinite: Bool, _ path: [any CodingKey]
  ) throws {
    guard isFinite else {
      throw EncodingError.invalidValue(
        number,
        .init(codingPath: path, debugDescription: "\(number) is no number that JSON can hold"))
    }
    content = .value(.number(number.description))
  }

  func place(_ key: String) -> EncodingPlace {
    var places: [String: EncodingPlace] = [:]
    if case .object(let old) = content { places = old }
    // Without this the next line would copy the collection.
    content = nil
    let place = EncodingPlace()
    places[key] = place
    content = .object(places)
    return place
  }

  var count: Int { if case .array(let places) = content { places.count } else { 0 } }

  func append() -> EncodingPlace {
    var places: [EncodingPlace] = []
    if case .array(let old) = content { places = old }
    // Without this the next line would copy the collection.
    content = nil
    let place = EncodingPlace()
    places.append(place)
    content = .array(places)
    return place
  }
}

private struct PlaceEncoder: Encoder, SingleValueEncodingContainer {
  let place: EncodingPlace
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    if place.content == nil { place.content = .object([:]) }
    return KeyedEncodingContainer(KeyedPlaces(place: place, codingPath: codingPath))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    if place.content == nil { place.content = .array([]) }
    return PlacesInOrder(place: place, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { self }

  func encodeNil() { place.content = .value(.null) }
  func encode<T: Encodable>(_ value: T) throws { try place.encode(value, codingPath) }
}

private struct KeyedPlaces<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let place: EncodingPlace
  let codingPath: [any CodingKey]

  private func encoder(_ key: any CodingKey) -> PlaceEncoder {
    PlaceEncoder(place: place.place(key.stringValue), codingPath: codingPath + [key])
  }

  func encodeNil(forKey key: Key) { encoder(key).encodeNil() }
  func encode<T: Encodable>(_ value: T, forKey key: Key) throws { try encoder(key).encode(value) }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type, forKey key: Key
  ) -> KeyedEncodingContainer<NestedKey> {
    encoder(key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    encoder(key).unkeyedContainer()
  }

  func superEncoder() -> any Encoder { encoder(PathKey(stringValue: "super")) }
  func superEncoder(forKey key: Key) -> any Encoder { encoder(key) }
}

private struct PlacesInOrder: UnkeyedEncodingContainer {
  let place: EncodingPlace
  let codingPath: [any CodingKey]
  var count: Int { place.count }

  private func encoder() -> PlaceEncoder {
    PlaceEncoder(
      place: place.append(), codingPath: codingPath + [PathKey(stringValue: "\(count)")])
  }

  func encodeNil() { encoder().encodeNil() }
  func encode<T: Encodable>(_ value: T) throws { try encoder().encode(value) }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type
  ) -> KeyedEncodingContainer<NestedKey> {
    encoder().container(keyedBy: type)
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { encoder().unkeyedContainer() }
  func superEncoder() -> any Encoder { encoder() }
}
