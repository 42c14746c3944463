#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What ``SafetensorsWriter`` wrote to a path, or another library: one file, or the shards of an index,
/// read as one.
///
/// At `NAME.safetensors` that file is taken if there is one, otherwise `NAME.safetensors.index.json`,
/// which may also be named itself. An index and its shards must name the same tensors, and if it was
/// written here, its shards must be the ones of its own save.
public final class SafetensorsReader: Sendable {
  /// One file, or the shards in the order of their names.
  public let files: [SafetensorsFile]
  /// In the order of the files, and in each of the bytes.
  public let tensors: [SafetensorsTensor]
  /// What the caller of the writer gave; in a set by another library, the first file's.
  public let metadata: [String: String]

  private let places: [String: Int]

  /// Opens a file, or an index and all its shards, and checks their headers.
  public init(_ path: String) throws(SafetensorsError) {
    let isIndex = path.hasSuffix(".safetensors.index.json")
    var status = stat()
    if !isIndex, let names = ShardNames(path), stat(path, &status) != 0, errno == ENOENT,
      stat(names.index, &status) == 0
    {
      (files, places) = try Self.shards(of: names.index)
    } else if isIndex {
      (files, places) = try Self.shards(of: path)
    } else {
      let file = try SafetensorsFile(path)
      files = [file]
      places = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, 0) })
    }
    tensors = files.flatMap(\.tensors)
    metadata = (files.first?.metadata ?? [:]).filter { !SafetensorsMetadata.isReserved($0.key) }
  }

  private static func shards(
    of path: String
  ) throws(SafetensorsError) -> ([SafetensorsFile], [String: Int]) {
    let index = try SafetensorsIndex(path)
    var (files, places) = ([SafetensorsFile](), [String: Int]())
    for name in Set(index.files.values).sorted() {
      let file = try SafetensorsFile(split(path).folder + "/" + name)
      for tensor in file.tensors {
        guard index.files[tensor.name] == name else {
          throw .malformed(
            file: file.path, at: .tensor(tensor.name), found: "the tensor",
            allowed: "what the index says is in this file")
        }
        places[tensor.name] = files.count
      }
      files.append(file)
    }
    if let (name, file) = index.files.first(where: { places[$0.key] == nil }) {
      throw .malformed(
        file: path, at: .index(name), found: excerpt(file), allowed: "a file that has the tensor")
    }
    try checkSet(index, files, path)
    return (files, places)
  }

  /// Throws if shards of two saves got together.
  private static func checkSet(
    _ index: SafetensorsIndex, _ files: [SafetensorsFile], _ path: String
  ) throws(SafetensorsError) {
    guard let set = index.set else { return }
    var all: [String: String] = [:]
    for file in files {
      let found = file.metadata[SafetensorsMetadata.set]
      guard found == set else {
        throw .malformed(
          file: file.path, at: .metadata(SafetensorsMetadata.set),
          found: found.map(excerpt) ?? "nothing", allowed: excerpt(set) + ", as in the index")
      }
      all.merge(file.metadata) { first, _ in first }
    }
    let kept = all.filter {
      !SafetensorsMetadata.isReserved($0.key) || $0.key.hasPrefix("checksum:")
    }
    let found = SafetensorsMetadata.seal(kept, files.flatMap(\.tensors))
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

  /// As ``SafetensorsFile/verify()``, for all files.
  public func verify() throws(SafetensorsError) {
    for file in files { try file.verify() }
  }

  /// As ``SafetensorsFile/floats(_:converting:)``.
  public func floats(
    _ name: String, converting: Bool = false
  ) throws(SafetensorsError) -> [Float] {
    try file(of: name).floats(name, converting: converting)
  }
}
