#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// An open file, closed on deinit. Reads and writes take an offset (`pread`, `pwrite`), so threads
/// may share it.
final class OpenFile: Sendable {
  let path: String
  let descriptor: Int32

  /// - Parameter mode: the permissions of a file that is created, before the process's umask.
  init(_ path: String, _ flags: Int32, mode: mode_t = 0o666) throws(SafetensorsError) {
    try Self.check(path)
    self.path = path
    descriptor = try Self.call("open", path) { open(path, flags | O_CLOEXEC, mode) }
  }

  /// Opens a regular file for reading. Throws ``SafetensorsError/misuse(_:)`` for anything else.
  convenience init(reading path: String) throws(SafetensorsError) {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    try self.init(path, O_RDONLY | O_NONBLOCK)
    guard try status().isRegularFile else { throw .misuse("\(path) is no regular file") }
  }

  deinit { close(descriptor) }

  /// Throws ``SafetensorsError/misuse(_:)`` for a path with a NUL character, which would end it in
  /// a system call.
  static func check(_ path: String) throws(SafetensorsError) {
    guard let index = path.utf8.firstIndex(of: 0) else { return }
    let place = path.utf8.distance(from: path.startIndex, to: index)
    throw .misuse(
      "the path \(excerpt(path)) has a NUL character at byte \(place); allowed is a path without")
  }

  /// Repeats a call that a signal interrupted, and throws if it returns −1.
  @discardableResult
  static func call<Value: SignedInteger>(
    _ name: String, _ path: String, _ body: () -> Value
  ) throws(SafetensorsError) -> Value {
    while true {
      let value = body()
      if value != -1 { return value }
      let code = errno
      if code != EINTR { throw .system(call: name, path: path, code: code) }
    }
  }

  func status() throws(SafetensorsError) -> stat {
    var status = stat()
    try Self.call("fstat", path) { fstat(descriptor, &status) }
    return status
  }

  /// Fills the memory with the file's bytes from `offset` on. Throws
  /// ``SafetensorsError/malformed(file:at:found:allowed:)`` if the file has too few.
  func read(into memory: UnsafeMutableRawBufferPointer, at offset: Int) throws(SafetensorsError) {
    var done = 0
    while done < memory.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: memory[done...])
      let count = try Self.call("pread", path) {
        pread(descriptor, rest.baseAddress, min(rest.count, Self.most), offset + done)
      }
      if count == 0 {
        throw .malformed(
          file: path, at: .byte(offset + done), found: "the file's end",
          allowed: "\(memory.count - done) more bytes")
      }
      done += count
    }
  }

  /// The `count` bytes from `offset` on. The caller must know that the file has them, since memory
  /// for them is allocated first.
  func bytes(_ count: Int, at offset: Int) throws(SafetensorsError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBufferPointer { bytes throws(SafetensorsError) in
      try read(into: UnsafeMutableRawBufferPointer(bytes), at: offset)
    }
    return bytes
  }

  /// Writes all of the memory from `offset` on.
  func write(_ memory: UnsafeRawBufferPointer, at offset: Int) throws(SafetensorsError) {
    var done = 0
    while done < memory.count {
      let rest = UnsafeRawBufferPointer(rebasing: memory[done...])
      done += try Self.call("pwrite", path) {
        pwrite(descriptor, rest.baseAddress, min(rest.count, Self.most), offset + done)
      }
    }
  }

  /// Returns when the bytes are on the storage device (`fsync`).
  func sync() throws(SafetensorsError) {
    try Self.call("fsync", path) { fsync(descriptor) }
  }

  // Linux moves at most 2 GiB less a page in one call.
  private static let most = 1 << 30
}

extension stat {
  var isRegularFile: Bool { st_mode & S_IFMT == S_IFREG }
}
