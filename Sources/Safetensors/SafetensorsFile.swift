#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

#if _endian(big)
#error("safetensors files are little-endian, and so must this machine be")
#endif

/// A safetensors file, open for reading. Such a file consists of the header's length in 8 bytes,
/// the header in JSON, and the tensors' bytes.
///
/// Untrusted files may be opened: the whole header is checked before any tensor is read, and every
/// length is compared with the file's length before memory is allocated. Names that Swift considers
/// equal although their bytes differ are one name, and a file with two of them is rejected. So is a
/// file with a name or a metadata key of more than 30 combining marks in a row.
///
/// A tensor of a type that ``SafetensorsType`` does not have is listed in ``unreadable``; the other
/// tensors can be read.
///
/// If the metadata holds checksums (see ``SafetensorsWriter``), the header's is verified when the
/// file is opened, and a tensor's when the tensor is read whole. Bytes are read by `pread`, so a
/// file that is truncated while it is open leads to an error. All methods may be called from
/// several threads at once.
public final class SafetensorsFile: Sendable {
  /// The path as it was given.
  public let path: String
  /// The tensors, in the order of their bytes in the file.
  public let tensors: [SafetensorsTensor]
  /// The entries of `__metadata__`; empty if the file has none.
  public let metadata: [String: String]
  /// The file's other tensors by name, each with the reason why it cannot be read: `the type "F4"`.
  /// These names are not in ``tensors``; reading one throws
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

  /// - Parameter staysOpen: whether to keep the file open; otherwise it is opened for each read.
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
      // Every file of this package has this checksum, so this one has lost it.
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

  /// Verifies every tensor that has a checksum. Throws
  /// ``SafetensorsError/checksum(file:of:found:written:)`` for the first whose bytes differ from
  /// those that were written.
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
