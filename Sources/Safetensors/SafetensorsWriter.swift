/// Writes a safetensors file, or a set of shards, atomically.
///
///     let writer = try SafetensorsWriter("model.safetensors", tensors: [
///       SafetensorsTensor("weight", shape: [2, 3])
///     ])
///     try writer.append(values, to: "weight")
///     try writer.commit()
///
/// Tensors are declared first. They are filled in any order, each from its beginning, in any number
/// of pieces. Until ``commit()`` the bytes are in a temporary file, `NAME.tmp-PID-N` in the same
/// folder. It is removed if the writer is released without a commit; if the process was killed, the
/// next writer of NAME removes it. A commit syncs the file, renames it and syncs the folder, so a
/// killed process or a power failure leaves either the old file or the new one. A replaced file
/// keeps its permissions. A symbolic link stays one, and the file that it leads to is written, even
/// if that does not exist yet.
///
/// The tensors' bytes begin at a multiple of 8 and are in the order of the declarations. Tensors of
/// wider types should be declared first, so that all are aligned.
///
/// **Metadata.** The writer adds these entries to the caller's, so that any changed byte in the
/// file is detected. A checksum is `crc32:` and a CRC-32 in eight hexadecimal digits, which is
/// `zlib.crc32` in Python and `crc32:cbf43926` for the bytes `123456789`.
///
/// - `format`: `pt`, unless the caller sets it. transformers 4 rejects a file without this entry.
/// - `descent.format`: `1`.
/// - `checksum:NAME`: the checksum of a tensor's bytes.
/// - `descent.checksum`: the checksum of the header's content. It covers every other entry, sorted
///   by the bytes of the keys, as key, NUL, value, NUL; then every tensor, sorted by the bytes of
///   the names, as name, NUL, type, NUL, sizes joined by commas, NUL.
/// - `descent.set`, in each shard of a set and in its index: the same over the caller's entries,
///   `format` and the checksums of all tensors, and then over all tensors.
///
/// **Shards.** With a `shardSize` in bytes, a larger model is split between tensors into
/// `NAME-00001-of-00003.safetensors` and so on, with an index `NAME.safetensors.index.json` in the
/// same folder, as by Hugging Face's libraries. A set that replaces another is named `NAME.2`, and
/// the next one `NAME` again, so that the old index and its shards stay complete until the new
/// index is in place; then they are removed. Until the commit the temporary files are
/// `NAME.safetensors.index.json.tmp-PID-N` for the index, and the same with `.1` and so on for the
/// shards.
///
/// **Several writers**, also in several processes, may write to one path at the same time. Commits
/// into one folder wait for each other where the file system can lock a folder: each happens
/// completely before or after another, and the last one's file or set remains. If another program
/// holds the lock of the folder, as `flock FOLDER COMMAND` does, a writer waits up to 5 seconds
/// when it begins and again when it commits, and then continues without the lock, as on a file
/// system without locks.
public final class SafetensorsWriter {
  /// One file: its header, and the number of bytes and the checksum of each tensor so far.
  struct Shard {
    var header: SafetensorsHeader
    let bodyStart: Int
    var written: [Int]
    var checks: [CRC32]
  }

  /// The tensors as they were declared.
  public let tensors: [SafetensorsTensor]

  enum Files {
    case single(AtomicFile)
    case set(ShardFiles)
  }

  var shards: [Shard] = []
  let files: Files
  let names: ShardNames?
  let path: String
  let metadata: [String: String]
  /// The shard of each tensor and its index in the shard, by the tensor's name.
  var places: [String: (shard: Int, place: Int)] = [:]
  var ended: String?

  /// Creates the temporary files.
  ///
  /// Throws ``SafetensorsError/declaration(name:reason:)`` for a name that occurs twice, for a
  /// metadata key that the writer sets itself, and for a header that readers would not accept;
  /// ``SafetensorsError/misuse(_:)`` for a path that cannot be written to, for one whose shards
  /// would have names that readers do not accept, and for a shard size below 1.
  public init(
    _ path: String, tensors: [SafetensorsTensor], metadata: [String: String] = [:],
    shardSize: Int = .max
  ) throws(SafetensorsError) {
    if let key = metadata.keys.first(where: SafetensorsMetadata.isReserved) {
      throw .declaration(name: key, reason: "the writer sets this metadata itself")
    }
    if let key = metadata.keys.first(where: { !$0.isStreamSafe }) {
      throw .declaration(name: key, reason: String.tooManyMarks)
    }
    guard shardSize > 0 else {
      throw .misuse("a shard size of \(shardSize) bytes; allowed is 1 or more")
    }
    _ = try SafetensorsHeader(tensors)
    let path = try resolved(path)
    let groups = Self.groups(tensors, size: shardSize)
    let names = ShardNames(path)
    let own = metadata.merging([SafetensorsMetadata.framework: "pt"]) { own, _ in own }
    (self.path, self.tensors, self.metadata, self.names) = (path, tensors, own, names)
    shards = try groups.map { group throws(SafetensorsError) in
      try Self.shard(group, own, isOfSet: groups.count > 1, path: path)
    }
    for (index, shard) in shards.enumerated() {
      for (place, tensor) in shard.header.tensors.enumerated() {
        places[tensor.name] = (index, place)
      }
    }
    guard groups.count > 1 else {
      files = .single(try AtomicFile(path, andOf: names.map { [$0.index] } ?? []))
      return
    }
    guard let names else {
      throw .misuse("\(path) is to have shards; allowed is a name that ends in .safetensors")
    }
    try names.check(groups.count)
    files = .set(try ShardFiles(names, count: groups.count))
  }

  private static func shard(
    _ group: [SafetensorsTensor], _ metadata: [String: String], isOfSet: Bool, path: String
  ) throws(SafetensorsError) -> Shard {
    var header = try SafetensorsHeader(group)
    header.metadata = metadata
    header.metadata[SafetensorsMetadata.format] = "1"
    if isOfSet { header.metadata[SafetensorsMetadata.set] = CRC32.text(0) }
    for tensor in group {
      header.metadata[SafetensorsMetadata.checksum(tensor.name)] = CRC32.text(0)
    }
    header.metadata[SafetensorsMetadata.seal] = CRC32.text(0)
    let bodyStart = header.bytes.count
    if bodyStart - 8 > SafetensorsHeader.maximumBytes {
      throw .declaration(
        name: path,
        reason: "a header of \(bodyStart - 8) bytes; allowed is \(SafetensorsHeader.maximumBytes)")
    }
    return Shard(
      header: header, bodyStart: bodyStart, written: Array(repeating: 0, count: group.count),
      checks: Array(repeating: CRC32(), count: group.count))
  }

  /// Writes bytes of one of ``shards``.
  func write(
    _ bytes: UnsafeRawBufferPointer, at offset: Int, of shard: Int
  ) throws(SafetensorsError) {
    switch files {
    case .single(let file): try file.write(bytes, at: offset)
    case .set(let files): try files.write(bytes, at: offset, of: shard)
    }
  }

  /// Splits the tensors, in order, into groups of up to `size` bytes, each with at least one
  /// tensor.
  private static func groups(_ tensors: [SafetensorsTensor], size: Int) -> [[SafetensorsTensor]] {
    var (groups, bytes) = ([[SafetensorsTensor]()], 0)
    for tensor in tensors {
      if bytes > 0 && tensor.byteCount > max(0, size) - bytes {
        groups.append([])
        bytes = 0
      }
      groups[groups.count - 1].append(tensor)
      bytes += tensor.byteCount
    }
    return groups
  }
}

extension SafetensorsWriter {
  /// Appends bytes to a tensor, little-endian and row-major. When the call returns, the bytes are
  /// written but not synced. After a system error the writer can only be dropped.
  public func append(
    _ bytes: UnsafeRawBufferPointer, to name: String
  ) throws(SafetensorsError) {
    if let ended { throw .misuse(ended) }
    guard let (shard, place) = places[name] else {
      throw .unknownTensor(file: path, name: name)
    }
    let tensor = shards[shard].header.tensors[place]
    let (given, overflow) = shards[shard].written[place].addingReportingOverflow(bytes.count)
    guard !overflow, given <= tensor.byteCount else {
      throw .count(tensor: name, given: given, expected: tensor.byteCount)
    }
    let start = shards[shard].bodyStart + shards[shard].header.starts[place]
    var rest = bytes[...]
    // Piece by piece, so that the bytes are still in the cache when they are written after the
    // checksum.
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 18))
      shards[shard].checks[place].combine(piece)
      do {
        try write(piece, at: start + shards[shard].written[place], of: shard)
      } catch {
        ended = "an earlier write failed (\(error)); the writer can only be dropped"
        throw error
      }
      shards[shard].written[place] += piece.count
      rest = rest.dropFirst(piece.count)
    }
  }

  /// Appends elements to a tensor of the type `F32`.
  public func append(
    _ values: UnsafeBufferPointer<Float>, to name: String
  ) throws(SafetensorsError) {
    if let (shard, place) = places[name] {
      let type = shards[shard].header.tensors[place].type
      if type != .float32 { throw .type(tensor: name, found: type, allowed: [.float32]) }
    }
    try append(UnsafeRawBufferPointer(values), to: name)
  }

  /// As ``append(_:to:)-(UnsafeBufferPointer<Float>,_)``.
  public func append(_ values: [Float], to name: String) throws(SafetensorsError) {
    try values.withUnsafeBufferPointer { values throws(SafetensorsError) in
      try append(values, to: name)
    }
  }
}
