/// The entries that ``SafetensorsWriter`` adds to a file's metadata; it says what they mean.
package enum SafetensorsMetadata {
  static let format = "descent.format"
  /// Which framework's tensors these are: Hugging Face's libraries refuse a file that does not say.
  package static let framework = "format"
  static let seal = "descent.checksum"
  static let set = "descent.set"

  static let checksumPrefix = "checksum:"

  static func checksum(_ name: String) -> String { checksumPrefix + name }

  /// Whether ``checksum(_:)`` made the key.
  static func isChecksum(_ key: String) -> Bool { key.startsWithBytes(checksumPrefix) }

  /// Whether the key is one of those above, which a caller cannot set.
  static func isReserved(_ key: String) -> Bool {
    [format, seal, set].contains(key) || isChecksum(key)
  }

  /// The checksum of metadata, without the entry for it, and tensors.
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
