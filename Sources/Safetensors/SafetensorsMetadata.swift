/// The entries that ``SafetensorsWriter`` adds to a file's metadata. Its documentation explains
/// them.
package enum SafetensorsMetadata {
  static let format = "descent.format"
  /// The framework of the tensors. Hugging Face's libraries reject a file without this entry.
  package static let framework = "format"
  static let seal = "descent.checksum"
  static let set = "descent.set"

  static let checksumPrefix = "checksum:"

  static func checksum(_ name: String) -> String { checksumPrefix + name }

  /// Whether the key is one that ``checksum(_:)`` makes.
  static func isChecksum(_ key: String) -> Bool { key.startsWithBytes(checksumPrefix) }

  /// Whether only the writer may set the key. A caller may set ``framework``.
  static func isReserved(_ key: String) -> Bool {
    [format, seal, set].contains(key) || isChecksum(key)
  }

  /// The checksum of the metadata, without its own entry, and of the tensors' names, types and
  /// shapes.
  static func seal(_ metadata: [String: String], _ tensors: [SafetensorsTensor]) -> UInt32 {
    var check = CRC32()
    func combine(_ text: String) {
      check.combine(text)
      check.combine("\0")
    }
    for (key, value) in inOrder(metadata) where key != seal {
      combine(key)
      combine(value)
    }
    let named = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    for tensor in named {
      combine(tensor.name)
      combine(tensor.type.rawValue)
      combine(tensor.shape.map { "\($0)" }.joined(separator: ","))
    }
    return check.value
  }
}
