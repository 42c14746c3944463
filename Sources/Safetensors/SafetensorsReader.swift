#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What ``SafetensorsWriter`` wrote to a path, or another library: one file, or the shards of an
/// index, read as one.
///
/// At `NAME.safetensors` that file is taken if there is one, otherwise
/// `NAME.safetensors.index.json`, which may also be named itself. Each tensor is read from the file
/// that the index names for it; what else is in the files is ignored. If the index was written
/// here, its shards must be the ones of its own save. More than 64 shards are opened again for each
/// read, and one that was replaced since is refused.
public final class SafetensorsReader: Sendable {
  /// One file, or the shards in the order of their names.
  public let files: [SafetensorsFile]
  /// In the order of the files, and in each of the bytes; of an index's files those that it says
  /// are in them.
  public let tensors: [SafetensorsTensor]
  /// What the caller of the writer gave, and the writer's `format`; in a set by another library,
  /// what is in the first file.
  public let metadata: [String: String]

  /// The other tensors that are named there, and why they cannot be read, as
  /// ``SafetensorsFile/unreadable`` says.
  public let unreadable: [String: String]

  private let places: [String: Int]

  /// What an index and its files hold. Files that are more than `mostOpenFiles` are opened again
  /// for each read.
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

  /// Throws if shards of two saves got together.
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
