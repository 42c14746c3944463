/// Writes a safetensors file that appears whole or not at all.
///
///     let writer = try SafetensorsWriter("model.safetensors", tensors: [
///       SafetensorsTensor("weight", shape: [2, 3])
///     ])
///     try writer.append(values, to: "weight")
///     try writer.commit()
///
/// Tensors are declared first and filled in any order, each from its beginning, in as many pieces
/// as the caller likes. Until ``commit()`` the file is `NAME.tmp-PID-N` in the same folder; it is
/// removed if the writer goes without a commit, and by the next one for NAME if the process was
/// killed. A commit syncs the file, renames it and syncs the folder, so a process that is killed
/// and a machine that loses its power leave the file before or the file after. A file that is
/// replaced keeps its permissions, and a symbolic link its place, also one that leads to no file
/// yet.
///
/// Bodies begin at a multiple of 8 bytes, in the order of the declarations; tensors of wider types
/// should come first, so that all are aligned.
///
/// **Metadata.** To the caller's entries the writer adds these, so that a changed byte is found
/// wherever it is. A checksum is `crc32:` and a CRC-32 in eight hexadecimal digits, which is
/// `zlib.crc32` in Python and `crc32:cbf43926` for the bytes `123456789`.
///
/// - `format`: `pt`, without which transformers 4 refuses a file; a caller's own goes before it.
/// - `descent.format`: `1`.
/// - `checksum:NAME`: the checksum of a tensor's bytes.
/// - `descent.checksum`: that of the header's content: of every other entry in the order of the
///   keys' bytes, key, NUL, value, NUL; then of every tensor in the order of the names' bytes,
///   name, NUL, type, NUL, sizes joined by commas, NUL.
/// - `descent.set`, in each file of a set of shards and in its index: the same over the caller's
///   entries and the checksums of all tensors, and then all tensors.
///
/// **Shards.** With a `shardSize` in bytes, more than that is cut into
/// `NAME-00001-of-00003.safetensors` and so on, between tensors, with `NAME.safetensors.index.json`
/// in the same folder, as Hugging Face's libraries do. A set that replaces another takes the names
/// of `NAME.2`, and the next one those of `NAME` again, so that the old index and its shards stay
/// whole until the new index is there; then they are removed. Until the commit a set is
/// `NAME.safetensors.index.json.tmp-PID-N`, and its shards are the same with `.1` and so on.
///
/// **Several writers** of one path may be at work at once, also in several processes. Commits into
/// one folder wait for each other where the file system can lock a folder: each is as a whole
/// before or after another, and the last one's file or set remains. Where another program keeps
/// the folder locked, as `flock FOLDER COMMAND` does, a writer waits up to 5 seconds when it begins
/// and again when it commits, and then goes on without the lock, as on a file system without locks.
public final class SafetensorsWriter {
  /// One file, with what was written to it so far.
  struct Shard {
    var header: SafetensorsHeader
    let bodyStart: Int
    var written: [Int]
    var checks: [CRC32]
  }

  /// As they were declared.
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
  /// By a tensor's name, its shard and its place there.
  var places: [String: (shard: Int, place: Int)] = [:]
  var ended: String?

  /// Makes the file, or the files, beside their names.
  ///
  /// Throws ``SafetensorsError/declaration(name:reason:)`` for a name that stands twice, for a
  /// metadata key that the writer sets itself and for a header that no reader would take;
  /// ``SafetensorsError/misuse(_:)`` for a path that cannot be written to, and for one whose shards
  /// would have names that no reader takes.
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

  /// In order, as many as fit into `size` bytes, and at least one.
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
  /// Writes the next bytes of a tensor, little-endian and row-major. They are written when the call
  /// returns, though not yet synced. After an error of the system the writer can only be dropped.
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
    // Piece by piece, so that what was summed up is still in the cache when it is written.
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

  /// Writes the next elements of a tensor of the type `F32`.
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
