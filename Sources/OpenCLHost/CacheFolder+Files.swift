#if OpenCL
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension CacheFolder {
  /// Whether nobody but this user can put something into the folder: a binary is code that runs.
  func isTrusted(_ folder: String) -> Bool {
    guard let status = status(of: folder), status.st_mode & S_IFMT == S_IFDIR else { return false }
    return status.st_uid == geteuid() && status.st_mode & (S_IWGRP | S_IWOTH) == 0
  }

  /// Makes the folder and those above it that are missing, for this user alone.
  func makeFolder(_ path: String) throws(CacheFolderError) {
    if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
      throw systemError(path)
    }
    try makeFolder(String(path[..<slash]))
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw systemError(path) }
  }

  /// The bytes of a regular file of at most `limit` bytes.
  func readFile(_ path: String, limit: Int) -> [UInt8]? {
    // Without O_NONBLOCK, opening a pipe that lies here would wait for a writer.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    let size = Int(status.st_size)
    guard size <= limit else { return nil }
    return [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
      while count < size {
        let read = read(file, bytes.baseAddress! + count, size - count)
        if read < 0 && errno == EINTR { continue }
        if read <= 0 { break }
        count += read
      }
    }
  }

  /// Writes a file that readers find whole or not at all.
  func writeFile(_ path: String, _ bytes: [UInt8]) throws(CacheFolderError) {
    // Processes in different containers may share a number, so the name is a random one.
    let beside = "\(path).\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    let file = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw systemError(path) }
    var isWritten = bytes.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let written = write(file, bytes.baseAddress! + done, bytes.count - done)
        if written < 0 && errno == EINTR { continue }
        if written <= 0 { return false }
        done += written
      }
      return true
    }
    var failure = errno
    if close(file) != 0 && isWritten { (isWritten, failure) = (false, errno) }
    if isWritten && rename(beside, path) == 0 { return }
    if isWritten { failure = errno }
    unlink(beside)
    throw CacheFolderError(path: path, reason: String(cString: strerror(failure)))
  }

  /// Removes files, the oldest first, until those left have `limit` bytes or less; leftovers of
  /// processes that died while writing grow old too.
  func removeOldest(in folder: String, above limit: Int, keeping newest: String?) {
    var files = names(in: folder).compactMap { name -> (path: String, status: stat)? in
      // What somebody else put here is not ours to remove.
      guard CacheEntry.isName(name) else { return nil }
      let path = "\(folder)/\(name)"
      guard let status = status(of: path), status.st_mode & S_IFMT == S_IFREG else { return nil }
      return (path, status)
    }
    var total = files.reduce(0) { $0 + Int($1.status.st_size) }
    guard total > limit || newest == nil else { return }
    files.sort {
      let (a, b) = ($0.status.st_mtim, $1.status.st_mtim)
      return (a.tv_sec, a.tv_nsec) < (b.tv_sec, b.tv_nsec)
    }
    for file in files where (total > limit || newest == nil) && file.path != newest {
      unlink(file.path)
      total -= Int(file.status.st_size)
    }
  }

  private func names(in folder: String) -> [String] {
    guard let list = opendir(folder) else { return [] }
    defer { closedir(list) }
    var names: [String] = []
    while let entry = readdir(list) {
      // The system may hand out less memory than the declared array has.
      guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { break }
      let start = (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
      let name = String(cString: start)
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  private func status(of path: String) -> stat? {
    var status = stat()
    return lstat(path, &status) == 0 ? status : nil
  }

  private func systemError(_ path: String) -> CacheFolderError {
    CacheFolderError(path: path, reason: String(cString: strerror(errno)))
  }
}
#endif
