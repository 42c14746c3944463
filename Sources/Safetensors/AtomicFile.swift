#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file that appears under its name whole or not at all: it is written under a name of
/// ``TemporaryNames`` in the same folder, synced and renamed, and the folder is synced.
///
/// Until then it is locked. One that a killed process left has no lock, and the next that writes
/// the same name removes it. It is not `Sendable`.
final class AtomicFile {
  let path: String
  private let file: OpenFile
  /// Whether it has its name.
  private(set) var isWhole = false

  /// Its name until it has its own; parts of a set are `NAME.1` and so on.
  var temporaryPath: String { file.path }

  /// Removes first what killed processes left of `path`, and of `others` in its folder.
  ///
  /// Throws ``SafetensorsError/misuse(_:)`` where something is that is no regular file.
  init(_ path: String, andOf others: [String] = []) throws(SafetensorsError) {
    self.path = path
    var old = stat()
    let exists = stat(path, &old) == 0
    if exists && !old.isRegularFile {
      throw .misuse("\(path) is no regular file; allowed is one, or none yet")
    }
    let names = TemporaryNames(path)
    let lock = FolderLock(names.folder)
    TemporaryNames.removeLeftovers(of: [path] + others)
    file = try Self.create(names)
    lock.unlock()
    // As an editor would, a file that is replaced keeps its permissions.
    if exists {
      try OpenFile.call("fchmod", file.path) { fchmod(file.descriptor, old.st_mode & 0o777) }
    }
  }

  deinit { if !isWhole { unlink(file.path) } }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SafetensorsError) {
    try file.write(bytes, at: offset)
  }

  /// Returns once the device has the bytes.
  func sync() throws(SafetensorsError) { try file.sync() }

  /// Gives it its name. An error before the rename leaves what was there.
  func commit() throws(SafetensorsError) {
    try file.sync()
    try OpenFile.call("rename", path) { rename(file.path, path) }
    isWhole = true
    try syncFolder(of: path)
  }

  private static func create(_ names: TemporaryNames) throws(SafetensorsError) -> OpenFile {
    var number = 0
    while true {
      let name = names.path(number)
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
        throw .system(call: "open", path: isFolders ? names.folder : names.target, code: code)
      }
    }
  }
}

/// Keeps others that write files into a folder by ``AtomicFile`` waiting, this process's other
/// threads too. Where a folder cannot be locked, such as on NFS, there is no lock, and no error.
///
/// The same holds where another program keeps the lock: anyone who can read a folder can lock it,
/// for any purpose and time.
final class FolderLock {
  /// The locked folder; nil without a lock.
  private(set) var folder: OpenFile?

  /// Waits up to `limit` for the lock.
  init(_ folder: String, upTo limit: Duration = .seconds(5)) {
    guard let file = try? OpenFile(folder, O_RDONLY | O_DIRECTORY) else { return }
    let end = ContinuousClock.now + limit
    while flock(file.descriptor, LOCK_EX | LOCK_NB) != 0 {
      let code = errno
      guard code == EWOULDBLOCK || code == EINTR, ContinuousClock.now < end else { return }
      usleep(2000)
    }
    self.folder = file
  }

  deinit { unlock() }

  /// A child process may have a copy of the descriptor, so it is not enough to close it.
  func unlock() {
    guard let folder else { return }
    flock(folder.descriptor, LOCK_UN)
    self.folder = nil
  }
}

/// A rename is on the device once its folder is.
func syncFolder(of path: String) throws(SafetensorsError) {
  do {
    try OpenFile(split(path).folder, O_RDONLY | O_DIRECTORY).sync()
  } catch .system("fsync", _, EINVAL) {
    // A file system whose folders need no syncing.
  }
}
