#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension SafetensorsWriter {
  /// Renames the file, or the set of shards, to its final name. Throws
  /// ``SafetensorsError/count(tensor:given:expected:)`` if a tensor is not complete; the writer can
  /// be used after that. After any other error the writer can only be dropped, and the old file is
  /// still in place, unless the description says `fsync` or `unlink`: then the new file may have
  /// its name already.
  public func commit() throws(SafetensorsError) {
    if let ended { throw .misuse(ended) }
    for tensor in tensors {
      guard let (shard, place) = places[tensor.name] else { continue }
      let written = shards[shard].written[place]
      if written != tensor.byteCount {
        throw .count(tensor: tensor.name, given: written, expected: tensor.byteCount)
      }
    }
    ended = "the writer has committed, or failed to; allowed is a new one"
    let set = finishHeaders()
    for (index, shard) in shards.enumerated() {
      let bytes = shard.header.bytes
      try bytes.withUnsafeBufferPointer { bytes throws(SafetensorsError) in
        try write(UnsafeRawBufferPointer(bytes), at: 0, of: index)
      }
      if case .set(let files) = files { try files.sync(index) }
    }
    if case .single(let file) = files { try file.sync() }
    // The slow part is done. Other commits into this folder wait during what follows.
    let lock = FolderLock(split(path).folder)
    defer { lock.unlock() }
    let old = names.flatMap { try? SafetensorsIndex($0.index) }
    // If the process is killed, this link shows the next writer which shards to remove.
    var retired = old == nil ? nil : names.flatMap { TemporaryNames($0.index).link() }
    defer { if let retired { unlink(retired) } }
    switch files {
    case .single(let file): try file.commit()
    case .set(let files): try commit(files, set: set)
    }
    guard let names, let old else { return }
    if case .single = files { unlink(names.index) }
    guard let kept = try? SafetensorsIndex.files(in: names.index) else {
      // Keep the link: the next writer removes the shards.
      retired = nil
      return
    }
    for name in Set(old.files.values).subtracting(kept) where names.isShard(name) {
      unlink(names.path(name))
    }
  }

  private func commit(_ files: ShardFiles, set: String) throws(SafetensorsError) {
    try files.commit { shards in
      SafetensorsIndex(
        files: places.mapValues { shards[$0.shard] }, set: set,
        totalSize: tensors.reduce(0) { $0 + $1.byteCount }
      ).text
    }
    // Readers prefer a single file to the index.
    do {
      try OpenFile.call("unlink", path) { unlink(path) }
      try syncFolder(of: path)
    } catch .system("unlink", _, ENOENT) {
      // There was no single file.
    }
  }

  /// Writes the checksums into the headers, and returns that of the set.
  private func finishHeaders() -> String {
    var all = metadata
    for (index, shard) in shards.enumerated() {
      for (tensor, check) in zip(shard.header.tensors, shard.checks) {
        let key = SafetensorsMetadata.checksum(tensor.name)
        shards[index].header.metadata[key] = CRC32.text(check.value)
        all[key] = CRC32.text(check.value)
      }
    }
    let set = CRC32.text(SafetensorsMetadata.seal(all, tensors))
    for index in shards.indices {
      if shards.count > 1 { shards[index].header.metadata[SafetensorsMetadata.set] = set }
      let header = shards[index].header
      shards[index].header.metadata[SafetensorsMetadata.seal] = CRC32.text(
        SafetensorsMetadata.seal(header.metadata, header.tensors))
    }
    return set
  }
}
