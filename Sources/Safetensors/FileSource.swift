#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file whose header was checked, to read from. It is kept open, or opened again for each read,
/// so that a set of any number of shards needs few descriptors.
struct FileSource: Sendable {
  let path: String
  let identity: FileIdentity
  let file: OpenFile?

  /// Throws ``SafetensorsError/misuse(_:)`` if the file was replaced or changed since it was
  /// checked.
  func open() throws(SafetensorsError) -> OpenFile {
    if let file { return file }
    let file = try OpenFile(reading: path)
    guard FileIdentity(try file.status()) == identity else {
      throw .misuse(
        "\(path) was replaced or changed since it was opened; allowed is to open it again")
    }
    return file
  }
}

/// The device, inode, size and modification time of a file, which differ after the file is replaced
/// or changed.
struct FileIdentity: Equatable, Sendable {
  private let numbers: [Int]

  init(_ status: stat) {
    numbers = [
      Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino),
      Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
    ]
  }
}
