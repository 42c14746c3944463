/// The part of a file that says what is in it: where each tensor lies behind the header, and the
/// metadata.
struct SafetensorsHeader {
  private(set) var tensors: [SafetensorsTensor] = []
  /// Where each tensor begins, counted from the end of the header.
  private(set) var starts: [Int] = []
  private(set) var places: [String: Int] = [:]
  var metadata: [String: String] = [:]

  /// The most bytes that a header may have; other readers take no more.
  static let maximumBytes = 100_000_000

  /// All bytes behind the header.
  var bodyBytes: Int { (starts.last ?? 0) + (tensors.last?.byteCount ?? 0) }

  /// Tensors that follow each other. Throws ``SafetensorsError/declaration(name:reason:)`` if two have
  /// one name, or all together more bytes than an `Int` can count.
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
    self.tensors = tensors
  }
}

extension SafetensorsHeader {
  /// Reads and checks a header.
  ///
  /// - Parameters:
  ///   - bytes: the header without its length, which stands in the file's first 8 bytes.
  ///   - bodyBytes: how many bytes the file has behind it.
  init(_ bytes: [UInt8], bodyBytes: Int, file: String) throws(SafetensorsError) {
    guard bytes.first == UInt8(ascii: "{") else {
      throw .malformed(
        file: file, at: .byte(8), found: "something else", allowed: "\"{\", which opens the header")
    }
    var (reader, metadata) = (JSONReader(bytes, file: file, origin: 8), [String: String]())
    var entries: [(tensor: SafetensorsTensor, start: Int, end: Int)] = []
    try reader.object { (reader, key) throws(SafetensorsError) in
      if key == "__metadata__" {
        try reader.object { (reader, key) throws(SafetensorsError) in
          metadata[key] = try reader.string()
        }
      } else {
        entries.append(try Self.entry(of: key, &reader, file: file))
      }
    }
    try reader.end()
    // Any order in the header is good; what counts is the order in the file. Empty tensors stand
    // before what begins where they do.
    entries.sort { ($0.start, $0.end) < ($1.start, $1.end) }
    var end = 0
    for entry in entries {
      guard entry.start == end else {
        throw .malformed(
          file: file, at: .tensor(entry.tensor.name), found: "it begins at \(entry.start)",
          allowed: "\(end), where the one before it ends")
      }
      end = entry.end
    }
    guard end == bodyBytes else {
      throw .malformed(
        file: file, at: .byte(8 + bytes.count), found: "\(bodyBytes) bytes behind the header",
        allowed: "\(end), as its tensors have")
    }
    try self.init(entries.map(\.tensor))
    self.metadata = metadata
  }

  /// `{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}`, in any order.
  private static func entry(
    of name: String, _ reader: inout JSONReader, file: String
  ) throws(SafetensorsError) -> (tensor: SafetensorsTensor, start: Int, end: Int) {
    func malformed(_ found: String, _ allowed: String) -> SafetensorsError {
      .malformed(file: file, at: .tensor(name), found: found, allowed: allowed)
    }
    var (type, shape, offsets) = (SafetensorsType?.none, [Int]?.none, [Int]())
    try reader.object { (reader, key) throws(SafetensorsError) in
      switch key {
      case "dtype":
        let text = try reader.string()
        guard let known = SafetensorsType(rawValue: text) else {
          let names = SafetensorsType.allCases.map(\.rawValue).joined(separator: ", ")
          throw malformed("the type \(excerpt(text))", names)
        }
        type = known
      case "shape":
        var sizes: [Int] = []
        try reader.array(limit: SafetensorsTensor.maximumRank) { reader throws(SafetensorsError) in
          sizes.append(try reader.integer())
        }
        shape = sizes
      case "data_offsets":
        try reader.array(limit: 2) { reader throws(SafetensorsError) in
          offsets.append(try reader.integer())
        }
      default: throw malformed("the key \(excerpt(key))", "dtype, shape and data_offsets")
      }
    }
    guard let type else { throw malformed("no dtype", "one") }
    guard let shape else { throw malformed("no shape", "one") }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw malformed("the offsets \(offsets)", "two, the second at least the first")
    }
    let tensor: SafetensorsTensor
    do {
      tensor = try SafetensorsTensor(name, type: type, shape: shape)
    } catch .declaration(_, let reason) {
      throw malformed(reason, "one that can be")
    }
    guard offsets[1] - offsets[0] == tensor.byteCount else {
      throw malformed(
        "the offsets \(offsets), \(offsets[1] - offsets[0]) bytes",
        "\(tensor.byteCount) bytes, as \(type.rawValue) and the shape \(shape) have")
    }
    return (tensor, offsets[0], offsets[1])
  }
}

extension SafetensorsHeader {
  /// The header's length in 8 bytes, and its text, filled up with spaces so that bodies begin at a
  /// multiple of 8.
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

/// By the bytes of the keys, as Python sorts them; Swift's own order is another for some letters.
func inOrder(_ metadata: [String: String]) -> [(key: String, value: String)] {
  metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
}
