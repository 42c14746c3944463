/// The header of a file: the tensors with their offsets, and the metadata.
struct SafetensorsHeader {
  private(set) var tensors: [SafetensorsTensor] = []
  /// Where each tensor begins, in bytes from the end of the header.
  private(set) var starts: [Int] = []
  private(set) var places: [String: Int] = [:]
  /// The reasons why tensors cannot be read, by the tensors' names.
  private(set) var unreadable: [String: String] = [:]
  var metadata: [String: String] = [:]

  /// The maximum length of a header in bytes; other readers accept no more.
  static let maximumBytes = 100_000_000

  /// The number of bytes after the header.
  let bodyBytes: Int

  /// Places tensors one after another. Throws ``SafetensorsError/declaration(name:reason:)`` if two
  /// have the same name, or if all together have more bytes than an `Int` can count.
  init(_ tensors: [SafetensorsTensor]) throws(SafetensorsError) {
    var end = 0
    for tensor in tensors {
      starts.append(end)
      let (sum, overflow) = end.addingReportingOverflow(tensor.byteCount)
      if overflow {
        throw .declaration(
          name: tensor.name, reason: "the file would be longer than can be counted")
      }
      end = sum
      guard places.updateValue(places.count, forKey: tensor.name) == nil else {
        throw .declaration(name: tensor.name, reason: "the name is taken")
      }
    }
    (self.tensors, bodyBytes) = (tensors, end)
  }
}

extension SafetensorsHeader {
  /// Reads and checks a header.
  ///
  /// - Parameters:
  ///   - bytes: the header without its length, which is in the file's first 8 bytes.
  ///   - bodyBytes: the number of bytes that the file has after the header.
  init(_ bytes: [UInt8], bodyBytes: Int, file: String) throws(SafetensorsError) {
    guard bytes.first == UInt8(ascii: "{") else {
      throw .malformed(
        file: file, at: .byte(8), found: "something else", allowed: "\"{\", which opens the header")
    }
    var reader = JSONReader(bytes, file: file, origin: 8)
    var (entries, places) = ([Entry](), [String: Int]())
    var metadata: [String: String]?
    try reader.object { (reader, key) throws(SafetensorsError) in
      if key == "__metadata__" {
        guard metadata == nil else { return false }
        metadata = try Self.metadata(&reader)
        return true
      }
      entries.append(try Entry(key, &reader, file: file))
      return places.updateValue(0, forKey: key) == nil
    }
    try reader.end()
    // The header may list tensors in any order; they are sorted by their offsets. An empty tensor
    // comes before the tensor that begins at the same offset.
    entries.sort { ($0.start, $0.end) < ($1.start, $1.end) }
    var end = 0
    for entry in entries {
      guard entry.start == end else {
        throw .malformed(
          file: file, at: .tensor(entry.name), found: "it begins at \(entry.start)",
          allowed: "\(end), where the one before it ends")
      }
      end = entry.end
    }
    guard end == bodyBytes else {
      throw .malformed(
        file: file, at: .byte(8 + bytes.count), found: "\(bodyBytes) bytes behind the header",
        allowed: "\(end), as its tensors have")
    }
    (self.metadata, self.bodyBytes) = (metadata ?? [:], end)
    tensors.reserveCapacity(entries.count)
    starts.reserveCapacity(entries.count)
    for entry in entries {
      switch entry.content {
      case .tensor(let tensor):
        places[tensor.name] = tensors.count
        tensors.append(tensor)
        starts.append(entry.start)
      case .unreadable(let name, let reason):
        places[name] = nil
        unreadable[name] = reason
      }
    }
    self.places = places
  }

  /// Reads the metadata, an object of strings; null counts as an empty one.
  private static func metadata(_ reader: inout JSONReader) throws(SafetensorsError)
    -> [String: String]
  {
    var metadata: [String: String] = [:]
    reader.skipSpace()
    if reader.next == UInt8(ascii: "n") {
      try reader.skip("null")
      return metadata
    }
    try reader.object { (reader, key) throws(SafetensorsError) in
      metadata.updateValue(try reader.string(), forKey: key) == nil
    }
    return metadata
  }
}

/// The header's entry for one name: `{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}`. The keys
/// may be in any order. Other keys are ignored, as by other readers.
private struct Entry {
  enum Content {
    case tensor(SafetensorsTensor)
    /// A tensor that this package cannot represent, with the reason.
    case unreadable(name: String, reason: String)
  }

  let content: Content
  let start: Int
  let end: Int

  var name: String {
    switch content {
    case .tensor(let tensor): tensor.name
    case .unreadable(let name, _): name
    }
  }

  init(_ name: String, _ reader: inout JSONReader, file: String) throws(SafetensorsError) {
    func malformed(_ found: String, _ allowed: String) -> SafetensorsError {
      .malformed(file: file, at: .tensor(name), found: found, allowed: allowed)
    }
    var (typeName, shape, offsets) = (String?.none, [Int]?.none, [Int]?.none)
    try reader.object { (reader, key) throws(SafetensorsError) in
      func integers(limit: Int) throws(SafetensorsError) -> [Int] {
        var integers: [Int] = []
        try reader.array(limit: limit) { reader throws(SafetensorsError) in
          integers.append(try reader.integer())
        }
        return integers
      }
      switch key {
      case "dtype":
        guard typeName == nil else { return false }
        typeName = try reader.name()
      case "shape":
        guard shape == nil else { return false }
        shape = try integers(limit: SafetensorsTensor.maximumRank)
      case "data_offsets":
        guard offsets == nil else { return false }
        offsets = try integers(limit: 2)
      default: try reader.skipValue()
      }
      return true
    }
    guard let typeName else { throw malformed("no dtype", "one") }
    guard let shape else { throw malformed("no shape", "one") }
    let place = offsets ?? []
    guard place.count == 2, place[0] <= place[1] else {
      throw malformed("the offsets \(place)", "two, the second at least the first")
    }
    (start, end) = (place[0], place[1])
    guard let type = SafetensorsType(rawValue: typeName) else {
      content = .unreadable(name: name, reason: "the type \(excerpt(typeName))")
      return
    }
    if name.isEmpty {
      content = .unreadable(name: name, reason: "an empty name")
      return
    }
    let tensor: SafetensorsTensor
    do {
      tensor = try SafetensorsTensor(name, type: type, shape: shape)
    } catch .declaration(_, let reason) {
      throw malformed(reason, "one that can be")
    }
    guard end - start == tensor.byteCount else {
      throw malformed(
        "the offsets \(place), \(end - start) bytes",
        "\(tensor.byteCount) bytes, as \(type.rawValue) and the shape \(shape) have")
    }
    content = .tensor(tensor)
  }
}

extension SafetensorsHeader {
  /// The header's length in 8 bytes and its text, padded with spaces so that the tensors' bytes
  /// begin at a multiple of 8.
  var bytes: [UInt8] {
    var entries: [String] = []
    if !metadata.isEmpty {
      let pairs = inOrder(metadata).map { quoted($0.key) + ":" + quoted($0.value) }
      entries.append("\"__metadata__\":{" + pairs.joined(separator: ",") + "}")
    }
    for (tensor, start) in zip(tensors, starts) {
      let shape = tensor.shape.map { "\($0)" }.joined(separator: ",")
      entries.append(
        quoted(tensor.name) + ":{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(start),\(start + tensor.byteCount)]}")
    }
    var text = Array("{\(entries.joined(separator: ","))}".utf8)
    text += [UInt8](repeating: UInt8(ascii: " "), count: -text.count & 7)
    return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text
  }
}

/// The entries sorted by the bytes of their keys, as Python sorts them; Swift's order of strings
/// differs for some letters.
func inOrder(_ metadata: [String: String]) -> [(key: String, value: String)] {
  metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
}
