#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file that appears under its name whole or not at all: it is written beside the name, synced and
/// renamed, and the folder is synced.
///
/// Until then it is `NAME.tmp-PID-N`, and locked, so that one left behind by a process that was killed
/// is known by having no lock; the next that writes the same name removes it. It is not `Sendable`.
final class AtomicFile {
  let path: String
  private let file: OpenFile
  private var isWhole = false

  /// Throws ``SafetensorsError/misuse(_:)`` where something stands that is no regular file.
  init(_ path: String) throws(SafetensorsError) {
    self.path = path
    var old = stat()
    let exists = stat(path, &old) == 0
    if exists && !old.isRegularFile {
      throw .misuse("\(path) is no regular file; allowed is one, or none yet")
    }
    Self.removeLeftovers(of: path)
    file = try Self.create(beside: path)
    // As an editor would, a file that is replaced keeps its permissions.
    if exists {
      try OpenFile.call("fchmod", file.path) { fchmod(file.descriptor, old.st_mode & 0o777) }
    }
  }

  deinit { if !isWhole { unlink(file.path) } }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SafetensorsError) {
    try file.write(bytes, at: offset)
  }

  func write(_ bytes: [UInt8]) throws(SafetensorsError) {
    try bytes.withUnsafeBufferPointer { bytes throws(SafetensorsError) in
      try file.write(UnsafeRawBufferPointer(bytes), at: 0)
    }
  }

  /// Gives it its name. Whatever happens before the rename leaves what was there.
  func commit() throws(SafetensorsError) {
    try file.sync()
    try OpenFile.call("rename", path) { rename(file.path, path) }
    isWhole = true
    try syncFolder(of: path)
  }

  private static func create(beside path: String) throws(SafetensorsError) -> OpenFile {
    var number = 0
    while true {
      let name = "\(path).tmp-\(getpid())-\(number)"
      number += 1
      do {
        let file = try OpenFile(name, O_WRONLY | O_CREAT | O_EXCL)
        // Another process may take it for left behind before it is locked. Where a file system has
        // no locks, none is ever taken for that.
        if flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK,
          try file.status().st_nlink > 0
        {
          return file
        }
      } catch .system("open", _, EEXIST) where number < 1000 {
        continue
      } catch .system("open", _, let code) {
        // Not by a name that the caller has never seen.
        let isFolders = [ENOENT, ENOTDIR, EACCES, EROFS].contains(code)
        throw .system(call: "open", path: isFolders ? split(path).folder : path, code: code)
      }
    }
  }

  private static func removeLeftovers(of path: String) {
    let (folder, name) = split(path)
    guard let entries = opendir(folder) else { return }
    defer { closedir(entries) }
    while let entry = readdir(entries) {
      let found = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard found.hasPrefix("\(name).tmp-"),
        let file = try? OpenFile("\(folder)/\(found)", O_RDONLY | O_NONBLOCK | O_NOFOLLOW),
        flock(file.descriptor, LOCK_EX | LOCK_NB) == 0
      else { continue }
      unlink(file.path)
    }
  }
}

/// The folder and the name in it.
func split(_ path: String) -> (folder: String, name: String) {
  guard let slash = path.lastIndex(of: "/") else { return (".", path) }
  let folder = slash == path.startIndex ? "/" : String(path[..<slash])
  return (folder, String(path[path.index(after: slash)...]))
}

/// What a symbolic link leads to, or the path itself.
func resolved(_ path: String) -> String {
  guard let real = realpath(path, nil) else { return path }
  defer { free(real) }
  return String(cString: real)
}

/// A rename is on the device once its folder is.
func syncFolder(of path: String) throws(SafetensorsError) {
  do {
    try OpenFile(split(path).folder, O_RDONLY | O_DIRECTORY).sync()
  } catch .system("fsync", _, EINVAL) {
    // A file system whose folders need no syncing.
  }
}
