#if OpenCL
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// An open folder. Everything in it is accessed relative to the descriptor, so the folder that was
/// checked is the one that is used, even if its path leads to another folder by then.
final class OpenFolder {
  private let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Opens the folder `name` in `path`, if no other user can write into it: a cached binary is code
  /// that runs.
  ///
  /// The path is followed one component at a time, and no system call follows a symbolic link. A
  /// link in `path` is accepted if root or this user owns it and the folder that it is in passed
  /// the checks. Each folder on the path must belong to root or this user, and may be writable by
  /// all users only if it has the sticky bit. The last one must belong to this user, must be
  /// writable by this user only, and must not be a link.
  ///
  /// - Parameter creating: whether to create missing folders, with access for this user only.
  init(_ name: String, in path: String, creating: Bool) throws(CacheFolderError) {
    let whole = "\(path)/\(name)"
    func refused(_ reason: String) -> CacheFolderError {
      CacheFolderError(path: whole, reason: reason)
    }
    guard path.utf8.first == UInt8(ascii: "/"), !whole.utf8.contains(0) else {
      throw refused("allowed is an absolute path")
    }
    func root() throws(CacheFolderError) -> OpenFolder {
      let root = OpenFolder(open("/", Self.flags))
      try root.requireTrustedAncestor("/", refused)
      return root
    }
    var parent = try root()
    var way = Array(Self.names(path).reversed())
    var links = 0
    while let next = way.popLast() {
      if let target = try parent.link(next, refused) {
        links += 1
        guard links <= 40 else { throw refused(String(cString: strerror(ELOOP))) }
        if target.utf8.first == UInt8(ascii: "/") { parent = try root() }
        way += Self.names(target).reversed()
        continue
      }
      parent = OpenFolder(try parent.descend(next, creating, refused))
      try parent.requireTrustedAncestor(next, refused)
    }
    descriptor = try parent.descend(name, creating, refused)
    guard let status, status.st_uid == geteuid(), status.st_mode & (S_IWGRP | S_IWOTH) == 0 else {
      throw refused("not a folder that this user alone may write")
    }
  }

  /// Linux's O_PATH, which suffices for folders that may be searched but not listed. C libraries
  /// define it for GNU sources only.
  private static let path: Int32 = 0o10000000

  private static var flags: Int32 { path | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC }

  /// Splits by bytes, as the system does: to it, a combining mark after a slash is a name.
  private static func names(_ path: String) -> [String] {
    path.utf8.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
  }

  private var status: stat? {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? status : nil
  }

  private func descend(
    _ name: String, _ creating: Bool, _ refused: (String) -> CacheFolderError
  ) throws(CacheFolderError) -> Int32 {
    var opened = openat(descriptor, name, Self.flags)
    if opened < 0 && errno == ENOENT && creating {
      if mkdirat(descriptor, name, 0o700) == 0 || errno == EEXIST {
        opened = openat(descriptor, name, Self.flags)
      }
    }
    guard opened >= 0 else { throw refused(String(cString: strerror(errno))) }
    return opened
  }

  /// The target of the symbolic link `name`; nil if it is not one.
  private func link(
    _ name: String, _ refused: (String) -> CacheFolderError
  ) throws(CacheFolderError) -> String? {
    var status = stat()
    guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
      status.st_mode & S_IFMT == S_IFLNK
    else { return nil }
    guard status.st_uid == 0 || status.st_uid == geteuid() else {
      throw refused(
        "\(name) is a link of user \(status.st_uid); allowed is one of root or this user")
    }
    var target = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let count = readlinkat(descriptor, name, &target, Int(PATH_MAX))
    guard count >= 0 else { throw refused(String(cString: strerror(errno))) }
    return String(decoding: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private func requireTrustedAncestor(
    _ name: String, _ refused: (String) -> CacheFolderError
  ) throws(CacheFolderError) {
    guard let status else { throw refused(String(cString: strerror(errno))) }
    guard status.st_uid == 0 || status.st_uid == geteuid() else {
      throw refused("\(name) belongs to user \(status.st_uid); allowed is root or this user")
    }
    guard status.st_mode & S_IWOTH == 0 || status.st_mode & S_ISVTX != 0 else {
      throw refused("all users may write \(name); allowed is that only with the sticky bit")
    }
  }
}

// MARK: Files in the folder

extension OpenFolder {
  /// The bytes of a regular file of at most `limit` bytes that only this user may write; nil for
  /// any other file.
  func contents(of name: String, limit: Int) -> [UInt8]? {
    // Without O_NONBLOCK, opening a FIFO of this name would wait for a writer.
    let file = openat(descriptor, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      status.st_uid == geteuid(), status.st_mode & (S_IWGRP | S_IWOTH) == 0
    else { return nil }
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

  /// Writes a file atomically: readers find the old one or the new one. Returns the system's error
  /// message if that fails.
  func replace(_ name: String, with bytes: [UInt8]) -> String? {
    // Processes in different containers may have the same ID, so the name is random.
    let beside = "\(name).\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
    let file = openat(descriptor, beside, flags, 0o600)
    guard file >= 0 else { return String(cString: strerror(errno)) }
    var isWritten = Self.isWritten(bytes, to: file)
    var failure = errno
    if close(file) != 0 && isWritten { (isWritten, failure) = (false, errno) }
    if isWritten && renameat(descriptor, beside, descriptor, name) == 0 { return nil }
    if isWritten { failure = errno }
    remove(beside)
    return String(cString: strerror(failure))
  }

  private static func isWritten(_ bytes: [UInt8], to file: Int32) -> Bool {
    bytes.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let written = write(file, bytes.baseAddress! + done, bytes.count - done)
        if written < 0 && errno == EINTR { continue }
        if written <= 0 { return false }
        done += written
      }
      return true
    }
  }

  func remove(_ name: String) { unlinkat(descriptor, name, 0) }

  /// Removes entries, the oldest first, until the rest has `limit` bytes or less. Temporary files
  /// of processes that died while writing count as entries.
  ///
  /// - Parameter newest: an entry to keep; nil removes all.
  func removeOldest(above limit: Int, keeping newest: String?) {
    var files = names.compactMap { name -> (name: String, status: stat)? in
      // Files that are not entries of the cache are left alone.
      guard CacheEntry.isName(name) else { return nil }
      var status = stat()
      guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
        status.st_mode & S_IFMT == S_IFREG
      else { return nil }
      return (name, status)
    }
    var total = files.reduce(0) { $0 + Int($1.status.st_size) }
    guard total > limit || newest == nil else { return }
    files.sort {
      let (a, b) = ($0.status.st_mtim, $1.status.st_mtim)
      return (a.tv_sec, a.tv_nsec) < (b.tv_sec, b.tv_nsec)
    }
    for file in files where (total > limit || newest == nil) && file.name != newest {
      remove(file.name)
      total -= Int(file.status.st_size)
    }
  }

  private var names: [String] {
    let own = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard own >= 0 else { return [] }
    guard let list = fdopendir(own) else {
      close(own)
      return []
    }
    defer { closedir(list) }
    var names: [String] = []
    while let entry = readdir(list) {
      // The system may allocate less memory for an entry than the declared array has.
      guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { break }
      let start = (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
      let name = String(cString: start)
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}
#endif
