#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

#if _endian(big)
#error("safetensors files are little-endian, and so must this machine be")
#endif

/// A safetensors file, open for reading: 8 bytes with the header's length, the header in JSON, the
/// tensors' bytes.
///
/// The whole header is checked before anything is read, and every length against the file's own
/// before memory is asked for, so a file from anywhere may be opened. Names that Swift counts as
/// equal although their bytes differ are one name, and a file with two of them is refused. So is a
/// name or a metadata key with more than 30 combining marks in a row.
///
/// A tensor of a type that ``SafetensorsType`` does not have keeps no other from being read:
/// ``unreadable`` names it.
///
/// Where the metadata holds checksums (``SafetensorsWriter`` says which), a tensor that is read
/// whole is compared with its own, and the header when the file is opened. Bytes are read by
/// `pread`, so a file that is cut short meanwhile is an error too. All methods may be called from
/// several threads at once.
public final class SafetensorsFile: Sendable {
  /// As it was given.
  public let path: String
  /// In the order of their bytes in the file.
  public let tensors: [SafetensorsTensor]
  /// The texts of `__metadata__`, empty where the file has none.
  public let metadata: [String: String]
  /// The file's other tensors by name, and why they cannot be read: `the type "F4"`. Such a name is
  /// not in ``tensors``, and what reads it throws
  /// ``SafetensorsError/malformed(file:at:found:allowed:)``.
  public let unreadable: [String: String]

  private let source: FileSource
  private let places: [String: Int]
  /// Where each tensor's bytes begin in the file.
  let starts: [Int]

  /// Opens a file and checks its header.
  public convenience init(_ path: String) throws(SafetensorsError) {
    try self.init(path, staysOpen: true)
  }

  /// - Parameter staysOpen: whether to keep its descriptor, rather than to open it for each read.
  init(_ path: String, staysOpen: Bool) throws(SafetensorsError) {
    self.path = path
    let file = try OpenFile(reading: path)
    let status = try file.status()
    source = FileSource(path: path, identity: FileIdentity(status), file: staysOpen ? file : nil)
    let bytes = try Self.header(of: file, size: Int(status.st_size))
    let behind = Int(status.st_size) - 8 - bytes.count
    let header = try SafetensorsHeader(bytes, bodyBytes: behind, file: path)
    (tensors, metadata, places) = (header.tensors, header.metadata, header.places)
    unreadable = header.unreadable
    starts = header.starts.map { $0 + 8 + bytes.count }
    try checkMetadata()
  }

  private static func header(of file: OpenFile, size: Int) throws(SafetensorsError) -> [UInt8] {
    var word: UInt64 = 0
    try withUnsafeMutableBytes(of: &word) { word throws(SafetensorsError) in
      try file.read(into: word, at: 0)
    }
    let limit = min(SafetensorsHeader.maximumBytes, size - 8)
    guard word >= 2 && word <= UInt64(limit) else {
      throw .malformed(
        file: file.path, at: .byte(0), found: "no safetensors file, or a header of \(word) bytes",
        allowed: size < 10 ? "none in a file of \(size) bytes" : "2 to \(limit)")
    }
    return try file.bytes(Int(word), at: 8)
  }

  /// The tensor of that name, if there is one.
  public subscript(name: String) -> SafetensorsTensor? { places[name].map { tensors[$0] } }

  func place(_ name: String) throws(SafetensorsError) -> Int {
    if let place = places[name] { return place }
    guard let reason = unreadable[name] else { throw .unknownTensor(file: path, name: name) }
    let types = SafetensorsType.allCases.map(\.rawValue).joined(separator: ", ")
    throw .malformed(
      file: path, at: .tensor(name), found: reason, allowed: "a name and one of \(types)")
  }

  /// The file, to read from. Throws if it was replaced since it was checked.
  var file: OpenFile { get throws(SafetensorsError) { try source.open() } }
}

extension SafetensorsFile {
  /// The checksum that was written with a tensor, if one was.
  public func checksum(of name: String) -> UInt32? {
    metadata[SafetensorsMetadata.checksum(name)].flatMap { CRC32.value($0) }
  }

  private func checkMetadata() throws(SafetensorsError) {
    for (key, text) in metadata where SafetensorsMetadata.isReserved(key) {
      guard text.isStreamSafe else {
        throw .malformed(
          file: path, at: .metadata(key), found: excerpt(text), allowed: "fewer combining marks")
      }
    }
    for (key, text) in metadata
    where SafetensorsMetadata.isChecksum(key) || key == SafetensorsMetadata.seal {
      guard CRC32.value(text) != nil else {
        throw .malformed(
          file: path, at: .metadata(key), found: excerpt(text),
          allowed: "\(CRC32.prefix) and eight hexadecimal digits")
      }
      if key == SafetensorsMetadata.seal { continue }
      let name = key.droppingBytes(SafetensorsMetadata.checksumPrefix.utf8.count)
      if places[name] == nil && unreadable[name] == nil {
        throw .malformed(
          file: path, at: .metadata(key), found: "a tensor that is not there",
          allowed: "one of the file's")
      }
    }
    guard let written = metadata[SafetensorsMetadata.seal].flatMap({ CRC32.value($0) }) else {
      // A file of this package without it has lost it.
      guard let format = metadata[SafetensorsMetadata.format] else { return }
      throw .malformed(
        file: path, at: .metadata(SafetensorsMetadata.format), found: excerpt(format),
        allowed: "it together with \(SafetensorsMetadata.seal)")
    }
    let found = SafetensorsMetadata.seal(metadata, tensors)
    if found != written {
      throw .checksum(
        file: path, of: .metadata(SafetensorsMetadata.seal), found: found, written: written)
    }
    let format = metadata[SafetensorsMetadata.format]
    if format != "1" {
      throw .malformed(
        file: path, at: .metadata(SafetensorsMetadata.format),
        found: format.map(excerpt) ?? "nothing", allowed: "\"1\"")
    }
  }

  /// Reads every tensor that has a checksum, and throws
  /// ``SafetensorsError/checksum(file:of:found:written:)`` for the first whose bytes are not those
  /// that were written.
  public func verify() throws(SafetensorsError) {
    for tensor in tensors { try verify(tensor) }
  }

  func verify(_ tensor: SafetensorsTensor) throws(SafetensorsError) {
    guard checksum(of: tensor.name) != nil else { return }
    var check = CRC32()
    try pieces(of: place(tensor.name), 0..<tensor.byteCount) { piece, _ in check.combine(piece) }
    try compare(check, with: tensor)
  }

  func compare(_ check: CRC32, with tensor: SafetensorsTensor) throws(SafetensorsError) {
    guard let written = checksum(of: tensor.name), written != check.value else { return }
    throw .checksum(
      file: path, of: .tensor(tensor.name), found: check.value, written: written)
  }
}
