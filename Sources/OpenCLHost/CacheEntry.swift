#if OpenCL
/// The file format of an entry of a ``CacheFolder``: a line with sizes and a checksum, the key, the
/// value.
///
/// The key is stored in full, so that two keys with the same hash are distinguished. The checksum
/// is over both: drivers have been seen to crash on a damaged binary.
enum CacheEntry {
  /// Must be changed whenever the meaning of the stored data changes.
  static let format = "descent-cache 1"

  static func file(key: String, payload: [UInt8]) -> [UInt8] {
    let body = Array(key.utf8) + payload
    return Array(head(key.utf8.count, payload.count, hash(body)).utf8) + body
  }

  /// The stored value; nil unless the file is complete and has this key.
  static func payload(of file: [UInt8], key: String) -> [UInt8]? {
    let count = key.utf8.count
    guard let end = file.firstIndex(of: newline) else { return nil }
    let body = file[(end + 1)...]
    guard body.count >= count, body.prefix(count).elementsEqual(key.utf8) else { return nil }
    // The only valid head for this key and body.
    guard file[...end].elementsEqual(head(count, body.count - count, hash(body)).utf8) else {
      return nil
    }
    return Array(body.dropFirst(count))
  }

  private static let newline = UInt8(ascii: "\n")

  private static func head(_ key: Int, _ payload: Int, _ checksum: UInt64) -> String {
    "\(format) \(key) \(payload) \(hexadecimal(checksum))\n"
  }

  /// FNV-1a: changing any one byte changes the result. It does not protect against tampering.
  static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  /// Whether a file of this name is an entry, or the temporary file of a process that died while
  /// writing one.
  static func isName(_ name: String) -> Bool {
    let parts = name.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    return parts[0].utf8.count == 16 && parts[0].allSatisfy { $0.isHexDigit }
  }

  static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
#endif
