#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension SafetensorsWriter {
  /// Puts the file, or the set of shards, in its place. Throws
  /// ``SafetensorsError/count(tensor:given:expected:)`` if a tensor is not complete, and goes on after
  /// that. After any other error the writer can only be dropped, and what was there before is still
  /// there, unless the description says `fsync` or `unlink`: then the new file has its name.
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
    let old = names.flatMap { try? SafetensorsIndex($0.index) }
    let set = finishHeaders()
    for shard in shards { try shard.file.write(shard.header.bytes) }
    for shard in shards { try shard.file.commit() }
    if shardNames.isEmpty {
      if let names, let old { removeShards(of: old, names) }
    } else if let names {
      try commitIndex(names, set: set, replacing: old)
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
      if !shardNames.isEmpty { shards[index].header.metadata[SafetensorsMetadata.set] = set }
      let header = shards[index].header
      shards[index].header.metadata[SafetensorsMetadata.seal] = CRC32.text(
        SafetensorsMetadata.seal(header.metadata, header.tensors))
    }
    return set
  }

  private func commitIndex(
    _ names: ShardNames, set: String, replacing old: SafetensorsIndex?
  ) throws(SafetensorsError) {
    let index = SafetensorsIndex(
      files: places.mapValues { shardNames[$0.shard] }, set: set,
      totalSize: tensors.reduce(0) { $0 + $1.byteCount })
    let file = try AtomicFile(names.index)
    try file.write(Array(index.text.utf8))
    try file.commit()
    // A single file would be taken rather than the index.
    do {
      try OpenFile.call("unlink", path) { unlink(path) }
      try syncFolder(of: path)
    } catch .system("unlink", _, ENOENT) {
      // There was none.
    }
    if let old {
      for name in Set(old.files.values).subtracting(shardNames) where names.isShard(name) {
        unlink(names.path(name))
      }
    }
  }

  /// A single file took the place of a set.
  private func removeShards(of old: SafetensorsIndex, _ names: ShardNames) {
    unlink(names.index)
    for name in Set(old.files.values) where names.isShard(name) { unlink(names.path(name)) }
  }
}
