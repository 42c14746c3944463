#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The temporary files of a set of shards. They are parts of the index's temporary file; the index
/// is renamed last.
///
/// Only one shard is open at a time, so a set of any number needs two descriptors. The class is not
/// `Sendable`.
final class ShardFiles {
  private let names: ShardNames
  private let index: AtomicFile
  private let count: Int
  private var current: (shard: Int, file: OpenFile)?
  /// The paths of the shards that have been renamed.
  private var placed: [String] = []

  init(_ names: ShardNames, count: Int) throws(SafetensorsError) {
    (self.names, self.count) = (names, count)
    index = try AtomicFile(names.index, andOf: [names.single])
    for shard in 0..<count { _ = try file(shard, O_CREAT | O_EXCL) }
  }

  deinit {
    if index.isWhole { return }
    for path in placed { unlink(path) }
    for shard in 0..<count { unlink(part(shard)) }
  }

  private func part(_ shard: Int) -> String { "\(index.temporaryPath).\(shard + 1)" }

  private func file(_ shard: Int, _ flags: Int32 = 0) throws(SafetensorsError) -> OpenFile {
    if let current, current.shard == shard { return current.file }
    let file = try OpenFile(part(shard), O_WRONLY | flags)
    current = (shard, file)
    return file
  }

  func write(
    _ bytes: UnsafeRawBufferPointer, at offset: Int, of shard: Int
  ) throws(SafetensorsError) {
    try file(shard).write(bytes, at: offset)
  }

  /// Returns when a shard's bytes are on the storage device (`fsync`).
  func sync(_ shard: Int) throws(SafetensorsError) { try file(shard).sync() }

  /// Renames the shards to names that no file has, and then the index to its own. Must be called
  /// under the ``FolderLock``. The index is written first: it says which files to remove if the
  /// process is killed in between.
  ///
  /// - Parameter text: makes the index for the shards' names.
  func commit(_ text: ([String]) -> String) throws(SafetensorsError) {
    current = nil
    let shards = names.available(count)
    try Array(text(shards).utf8).withUnsafeBufferPointer { bytes throws(SafetensorsError) in
      try index.write(UnsafeRawBufferPointer(bytes), at: 0)
    }
    try index.sync()
    for (shard, name) in shards.enumerated() {
      let path = names.path(name)
      try OpenFile.call("rename", path) { rename(part(shard), path) }
      placed.append(path)
    }
    try syncFolder(of: names.index)
    try index.commit()
  }
}
