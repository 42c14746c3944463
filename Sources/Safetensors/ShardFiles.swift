#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The shards of a set while they are written: parts of the index, which is the last to get its
/// name.
///
/// One is open at a time, so a set of any number needs two descriptors. It is not `Sendable`.
final class ShardFiles {
  private let names: ShardNames
  private let index: AtomicFile
  private let count: Int
  private var current: (shard: Int, file: OpenFile)?
  /// Where the shards are, once they have their names.
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

  /// Returns once the device has a shard's bytes.
  func sync(_ shard: Int) throws(SafetensorsError) { try file(shard).sync() }

  /// Gives the shards names that no file has, and then the index its own. To be called under the
  /// ``FolderLock``. The index is written first: it says which files are to be removed if the
  /// process is killed in between.
  ///
  /// - Parameter text: the index for the shards' names.
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
