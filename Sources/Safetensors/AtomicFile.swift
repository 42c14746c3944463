#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A file that is replaced atomically. Its bytes are written to a temporary file in the same folder
/// (``TemporaryNames``), which is synced and renamed; then the folder is synced.
///
/// The temporary file is locked while its writer exists. A killed process leaves a temporary file
/// without a lock; the next writer of the same name removes it. The class is not `Sendable`.
final class AtomicFile {
  let path: String
  private let file: OpenFile
  /// Whether the temporary file has been renamed to ``path``.
  private(set) var isWhole = false

  /// The path of the temporary file. The parts of a set of shards are at this path followed by `.1`
  /// and so on.
  var temporaryPath: String { file.path }

  /// Creates the temporary file. First removes the temporary files that killed processes left of
  /// `path`, and of `others` in the same folder.
  ///
  /// Throws ``SafetensorsError/misuse(_:)`` if `path` exists and is not a regular file.
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
    // A replaced file keeps its permissions, as when an editor saves it.
    if exists {
      try OpenFile.call("fchmod", file.path) { fchmod(file.descriptor, old.st_mode & 0o777) }
    }
  }

  deinit { if !isWhole { unlink(file.path) } }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SafetensorsError) {
    try file.write(bytes, at: offset)
  }

  /// Returns when the bytes are on the storage device (`fsync`).
  func sync() throws(SafetensorsError) { try file.sync() }

  /// Renames the temporary file to ``path``. After an error before the rename, the old file is
  /// unchanged.
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
        // Before the file is locked, another process may take it for a leftover and remove it. On a
        // file system without locks, no file is taken for a leftover.
        if flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK,
          try file.status().st_nlink > 0
        {
          return file
        }
      } catch .system("open", _, EEXIST) where number < 1000 {
        continue
      } catch .system("open", _, let code) {
        // The error has the path that the caller gave, not that of the temporary file.
        let isFolders = [ENOENT, ENOTDIR, EACCES, EROFS].contains(code)
        throw .system(call: "open", path: isFolders ? names.folder : names.target, code: code)
      }
    }
  }
}

/// An exclusive lock on a folder, held while an ``AtomicFile`` is created or committed. Other
/// processes and other threads of this one wait for it. Where a folder cannot be locked, as on NFS,
/// there is no lock and no error.
///
/// There is no lock either if another program holds it for longer than the limit: any program that
/// can read a folder can lock it.
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

  /// Unlocks the folder. Closing the descriptor is not enough: a child process may have a copy of
  /// it.
  func unlock() {
    guard let folder else { return }
    flock(folder.descriptor, LOCK_UN)
    self.folder = nil
  }
}

/// Syncs the folder of a path, which makes a rename in it durable.
func syncFolder(of path: String) throws(SafetensorsError) {
  do {
    try OpenFile(split(path).folder, O_RDONLY | O_DIRECTORY).sync()
  } catch .system("fsync", _, EINVAL) {
    // Folders of this file system cannot be synced, and need not be.
  }
}
