#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Reads a file that ``SafetensorsWriter`` or another library wrote, or all shards of an index as
/// if they were one file.
///
/// For the path `NAME.safetensors`, that file is opened if it exists, otherwise the index
/// `NAME.safetensors.index.json`; the path may also be that of an index. Each tensor is read from
/// the file that the index names for it; other tensors in the files are ignored. If this package
/// wrote the index, its shards must come from the same save. If there are more than 64 shards, they
/// are opened again for each read, and one that was replaced since it was checked is rejected.
public final class SafetensorsReader: Sendable {
  /// One file, or the shards in the order of their names.
  public let files: [SafetensorsFile]
  /// The tensors, in the order of the files and of the bytes in each file. Of the shards of an
  /// index, only the tensors that the index assigns to them.
  public let tensors: [SafetensorsTensor]
  /// The metadata that the writer's caller gave, and the writer's `format`. In a set by another
  /// library, the metadata of the first file.
  public let metadata: [String: String]

  /// The other tensors, each with the reason why it cannot be read, as in
  /// ``SafetensorsFile/unreadable``.
  public let unreadable: [String: String]

  private let places: [String: Int]

  /// The content of a file, or of an index and its shards. If there are more than `mostOpenFiles`
  /// shards, they are opened again for each read.
  private struct Contents {
    var files: [SafetensorsFile] = []
    var tensors: [SafetensorsTensor] = []
    var unreadable: [String: String] = [:]
    var places: [String: Int] = [:]
  }

  private static let mostOpenFiles = 64

  /// Opens a file, or an index and all its shards, and checks their headers.
  public init(_ path: String) throws(SafetensorsError) {
    try OpenFile.check(path)
    let isIndex = path.endsWithBytes(SafetensorsIndex.indexSuffix)
    var (contents, status) = (Contents(), stat())
    if !isIndex, let names = ShardNames(path), stat(path, &status) != 0, errno == ENOENT,
      stat(names.index, &status) == 0
    {
      contents = try Self.shards(of: names.index)
    } else if isIndex {
      contents = try Self.shards(of: path)
    } else {
      let file = try SafetensorsFile(path)
      (contents.files, contents.tensors) = ([file], file.tensors)
      contents.unreadable = file.unreadable
      for name in file.tensors.map(\.name) + file.unreadable.keys { contents.places[name] = 0 }
    }
    (files, tensors, places) = (contents.files, contents.tensors, contents.places)
    unreadable = contents.unreadable
    metadata = (files.first?.metadata ?? [:]).filter { !SafetensorsMetadata.isReserved($0.key) }
  }

  private static func shards(of path: String) throws(SafetensorsError) -> Contents {
    let index = try SafetensorsIndex(path)
    var contents = Contents()
    let names = Set(index.files.values).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    for name in names {
      let file = try SafetensorsFile(
        split(path).folder + "/" + name, staysOpen: names.count <= mostOpenFiles)
      for tensor in file.tensors where index.files[tensor.name] == name {
        contents.places[tensor.name] = contents.files.count
        contents.tensors.append(tensor)
      }
      for (tensor, reason) in file.unreadable where index.files[tensor] == name {
        contents.unreadable[tensor] = reason
        contents.places[tensor] = contents.files.count
      }
      contents.files.append(file)
    }
    let missing = index.files.filter { contents.places[$0.key] == nil }
    if let (name, file) = missing.min(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      throw .malformed(
        file: path, at: .index(name), found: excerpt(file), allowed: "a file that has the tensor")
    }
    try checkSet(index, contents, path)
    return contents
  }

  /// Throws if the shards come from different saves.
  private static func checkSet(
    _ index: SafetensorsIndex, _ contents: Contents, _ path: String
  ) throws(SafetensorsError) {
    guard let set = index.set else { return }
    var all: [String: String] = [:]
    for file in contents.files {
      let found = file.metadata[SafetensorsMetadata.set]
      guard found == set else {
        throw .malformed(
          file: file.path, at: .metadata(SafetensorsMetadata.set),
          found: found.map(excerpt) ?? "nothing", allowed: excerpt(set) + ", as in the index")
      }
      all.merge(file.metadata) { first, _ in first }
    }
    let kept = all.filter {
      !SafetensorsMetadata.isReserved($0.key) || SafetensorsMetadata.isChecksum($0.key)
    }
    let found = SafetensorsMetadata.seal(kept, contents.tensors)
    guard CRC32.text(found) == set else {
      throw .malformed(
        file: path, at: .metadata(SafetensorsMetadata.set), found: excerpt(set),
        allowed: CRC32.text(found) + ", as its files have")
    }
  }

  /// The tensor of that name, if there is one.
  public subscript(name: String) -> SafetensorsTensor? { places[name].flatMap { files[$0][name] } }

  /// The file that holds a tensor, to read it from.
  public func file(of name: String) throws(SafetensorsError) -> SafetensorsFile {
    guard let place = places[name] else {
      throw .unknownTensor(file: files.first?.path ?? "", name: name)
    }
    return files[place]
  }

  /// As ``SafetensorsFile/verify()``, for all of ``tensors``.
  public func verify() throws(SafetensorsError) {
    for tensor in tensors { try file(of: tensor.name).verify(tensor) }
  }

  /// As ``SafetensorsFile/floats(_:converting:)``.
  public func floats(
    _ name: String, converting: Bool = false
  ) throws(SafetensorsError) -> [Float] {
    try file(of: name).floats(name, converting: converting)
  }
}
