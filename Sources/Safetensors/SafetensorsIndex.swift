#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The index of a set of shards, which maps each tensor to a file: `NAME.safetensors.index.json`,
/// as Hugging Face's libraries write it.
struct SafetensorsIndex {
  /// The file of each tensor, by the tensor's name.
  var files: [String: String] = [:]
  /// The checksum `descent.set`, if the index has one.
  var set: String?
  var totalSize = 0

  init(files: [String: String], set: String, totalSize: Int) {
    (self.files, self.set, self.totalSize) = (files, set, totalSize)
  }

  /// Reads an index. An index that names files outside its own folder is rejected: an untrusted
  /// index must not lead to other files.
  init(_ path: String) throws(SafetensorsError) {
    let file = try OpenFile(reading: path)
    let status = try file.status()
    guard status.st_size <= SafetensorsHeader.maximumBytes else {
      throw .malformed(
        file: path, at: .byte(0), found: "\(status.st_size) bytes",
        allowed: "up to \(SafetensorsHeader.maximumBytes)")
    }
    try self.init(file.bytes(Int(status.st_size), at: 0), file: path)
  }

  init(_ bytes: [UInt8], file: String) throws(SafetensorsError) {
    var reader = JSONReader(bytes, file: file)
    var (files, set, hasMap) = ([String: String](), String?.none, false)
    try reader.object { (reader, key) throws(SafetensorsError) in
      reader.skipSpace()
      switch key {
      case "metadata" where reader.next == UInt8(ascii: "{"):
        try reader.object { (reader, key) throws(SafetensorsError) in
          guard key == SafetensorsMetadata.set else {
            try reader.skipValue()
            return true
          }
          let isNew = set == nil
          set = try reader.name()
          return isNew
        }
      case "weight_map":
        guard !hasMap else { return false }
        hasMap = true
        try reader.object { (reader, name) throws(SafetensorsError) in
          let shard = try reader.name()
          guard Self.isPlain(shard) else {
            throw .malformed(
              file: file, at: .index(name), found: excerpt(shard),
              allowed: "the name of a .safetensors file in the same folder")
          }
          return files.updateValue(shard, forKey: name) == nil
        }
      default: try reader.skipValue()
      }
      return true
    }
    try reader.end()
    guard hasMap else {
      throw .malformed(
        file: file, at: .byte(0), found: "no weight_map", allowed: "an index with one")
    }
    (self.files, self.set) = (files, set)
  }

  /// Whether the name can only be that of a `.safetensors` file in the same folder. Readers accept
  /// no other names, and writers make no others.
  static func isPlain(_ name: String) -> Bool {
    name.endsWithBytes(suffix) && name.utf8.count > suffix.utf8.count
      && name.utf8.count <= TemporaryNames.longestName && !name.startsWithBytes("..")
      && !name.utf8.contains(UInt8(ascii: "/")) && !name.utf8.contains(0) && name.isStreamSafe
  }

  /// Removes the shards of an index that a killed process left: `path` is one that it had not yet
  /// committed as `target`, or one that it had replaced. Throws, and removes nothing, if one of the
  /// two indices cannot be read for now.
  static func removeShards(_ path: String, of target: String) throws(SafetensorsError) {
    guard target.endsWithBytes(indexSuffix), let names = ShardNames(index: target) else { return }
    let begun: SafetensorsIndex
    do {
      begun = try SafetensorsIndex(path)
    } catch {
      // An index that was not written completely names no shards.
      if case .system = error { throw error }
      return
    }
    guard let set = begun.set else { return }
    for name in Set(begun.files.values).subtracting(try files(in: target))
    where names.isShard(name) {
      let file = try? SafetensorsFile(names.path(name))
      // Keep a file that another writer has put there since.
      if file?.metadata[SafetensorsMetadata.set] == set { unlink(names.path(name)) }
    }
  }

  /// The files that an index names; empty if there is no index.
  static func files(in path: String) throws(SafetensorsError) -> Set<String> {
    do {
      return Set(try SafetensorsIndex(path).files.values)
    } catch .system("open", _, ENOENT) {
      return []
    }
  }

  static let suffix = ".safetensors"
  static let indexSuffix = suffix + ".index.json"

  var text: String {
    let map = inOrder(files).map { "    \(quoted($0.key)): \(quoted($0.value))" }
    return """
      {
        "metadata": {
          "\(SafetensorsMetadata.set)": \(quoted(set ?? "")),
          "total_size": \(totalSize)
        },
        "weight_map": {
      \(map.joined(separator: ",\n"))
        }
      }

      """
  }
}

/// The names of the files that belong to a path: the single file, the index and the shards.
struct ShardNames {
  let folder: String
  private let stem: String

  /// Nil if the path does not end in `.safetensors`.
  init?(_ path: String) { self.init(path, suffix: SafetensorsIndex.suffix) }

  /// Nil if the path does not end in `.safetensors.index.json`.
  init?(index path: String) { self.init(path, suffix: SafetensorsIndex.indexSuffix) }

  private init?(_ path: String, suffix: String) {
    let (folder, name) = split(path)
    let count = name.utf8.count - suffix.utf8.count
    guard name.endsWithBytes(suffix), count > 0 else { return nil }
    self.folder = folder
    stem = String(name[..<name.utf8.index(name.startIndex, offsetBy: count)])
  }

  var single: String { path(stem + SafetensorsIndex.suffix) }

  var index: String { path(stem + SafetensorsIndex.indexSuffix) }

  func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// Throws ``SafetensorsError/misuse(_:)`` if readers would not accept the names of `count`
  /// shards.
  func check(_ count: Int) throws(SafetensorsError) {
    let (name, index) = (
      shard(count, of: count, generation: 99), stem + SafetensorsIndex.indexSuffix
    )
    let longest = max(name.utf8.count, index.utf8.count)
    guard SafetensorsIndex.isPlain(name), longest <= TemporaryNames.longestName else {
      let room = TemporaryNames.longestName - longest + stem.utf8.count
      throw .misuse(
        "\(single) is to have shards such as \(excerpt(name)); "
          + "allowed is a name that does not begin with \"..\", has up to \(room) bytes before "
          + ".safetensors, and up to \(String.maximumCombiningMarks) combining marks in a row")
    }
  }

  /// The names `NAME-00001-of-00003.safetensors` and so on. If a file of such a name exists, the
  /// same with `NAME.2`, `NAME.3` and so on: the shards of the current index must stay unchanged
  /// until the next index is in place.
  func available(_ count: Int) -> [String] {
    var (generation, status) = (1, stat())
    while true {
      let names = (1...count).map { shard($0, of: count, generation: generation) }
      if names.allSatisfy({ lstat(path($0), &status) != 0 }) { return names }
      generation += 1
    }
  }

  private func shard(_ number: Int, of count: Int, generation: Int) -> String {
    (generation == 1 ? stem : "\(stem).\(generation)")
      + "-\(Self.five(number))-of-\(Self.five(count))\(SafetensorsIndex.suffix)"
  }

  /// Whether the name has the form of those that ``available(_:)`` makes.
  func isShard(_ name: String) -> Bool {
    let suffix = SafetensorsIndex.suffix
    guard name.startsWithBytes(stem), name.endsWithBytes(suffix) else { return false }
    var rest = name.utf8.dropFirst(stem.utf8.count).dropLast(suffix.utf8.count)
    func take(_ text: String) -> Bool {
      guard rest.starts(with: text.utf8) else { return false }
      rest = rest.dropFirst(text.utf8.count)
      return true
    }
    func takeDigits(_ least: Int) -> Bool {
      let count = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }.count
      rest = rest.dropFirst(count)
      return count >= least
    }
    if take("."), !takeDigits(1) { return false }
    return take("-") && takeDigits(5) && take("-of-") && takeDigits(5) && rest.isEmpty
  }

  private static func five(_ number: Int) -> String {
    let digits = "\(number)"
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }
}
