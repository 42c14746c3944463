#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Which file of a set of shards holds which tensor: `NAME.safetensors.index.json`, as Hugging Face's
/// libraries write it.
struct SafetensorsIndex {
  /// Files by tensor.
  var files: [String: String] = [:]
  /// The checksum `descent.set`, if the index has one.
  var set: String?
  var totalSize = 0

  init(files: [String: String], set: String, totalSize: Int) {
    (self.files, self.set, self.totalSize) = (files, set, totalSize)
  }

  /// Reads an index. Its files lie in its own folder, or it is refused: a file from anywhere must not
  /// lead elsewhere.
  init(_ path: String) throws(SafetensorsError) {
    let file = try OpenFile(path, O_RDONLY | O_NONBLOCK)
    let status = try file.status()
    guard status.isRegularFile else { throw .misuse("\(path) is no regular file") }
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
      switch key {
      case "metadata":
        try reader.object { (reader, key) throws(SafetensorsError) in
          if key == SafetensorsMetadata.set {
            set = try reader.string()
          } else {
            try reader.skipValue()
          }
        }
      case "weight_map":
        hasMap = true
        try reader.object { (reader, name) throws(SafetensorsError) in
          let shard = try reader.string()
          guard Self.isPlain(shard) else {
            throw .malformed(
              file: file, at: .index(name), found: excerpt(shard),
              allowed: "the name of a .safetensors file in the same folder")
          }
          files[name] = shard
        }
      default: try reader.skipValue()
      }
    }
    try reader.end()
    guard hasMap else {
      throw .malformed(
        file: file, at: .byte(0), found: "no weight_map", allowed: "an index with one")
    }
    (self.files, self.set) = (files, set)
  }

  /// Whether it names a file in a folder, and nothing outside.
  private static func isPlain(_ name: String) -> Bool {
    name.hasSuffix(suffix) && name.utf8.count <= 255 && !name.hasPrefix(".")
      && !name.contains("..") && !name.unicodeScalars.contains { $0 == "/" || $0 == "\0" }
  }

  static let suffix = ".safetensors"

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

/// The names of the files that a path without or with shards stands for.
struct ShardNames {
  let folder: String
  private let stem: String

  /// Nil if the path does not end in `.safetensors`.
  init?(_ path: String) {
    let (folder, name) = split(path)
    guard name.hasSuffix(SafetensorsIndex.suffix), name != SafetensorsIndex.suffix else {
      return nil
    }
    self.folder = folder
    stem = String(name.dropLast(SafetensorsIndex.suffix.count))
  }

  var index: String { "\(folder)/\(stem).safetensors.index.json" }

  func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// `NAME-00001-of-00003.safetensors` and so on, or, if one of these is in use, the same of `NAME.2`:
  /// the shards that an index points to must stay as they are until the next index stands.
  func shards(_ count: Int, except used: Set<String>) -> [String] {
    let names = shards(count, of: stem)
    return used.isDisjoint(with: names) ? names : shards(count, of: stem + ".2")
  }

  private func shards(_ count: Int, of stem: String) -> [String] {
    (1...count).map { "\(stem)-\(Self.five($0))-of-\(Self.five(count))\(SafetensorsIndex.suffix)" }
  }

  /// Whether ``shards(_:except:)`` may have made the name.
  func isShard(_ name: String) -> Bool {
    name.hasPrefix(stem + "-") || name.hasPrefix(stem + ".2-")
  }

  private static func five(_ number: Int) -> String {
    let digits = "\(number)"
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }
}
