#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension SafetensorsFile {
  /// Reads a tensor's elements, and verifies its checksum if it has one. Types other than `F32`
  /// throw unless `converting` is set; then `F16` and `BF16` are converted exactly, and `F64` is
  /// rounded to nearest.
  public func floats(
    _ name: String, converting: Bool = false
  ) throws(SafetensorsError) -> [Float] {
    let tensor = tensors[try place(name)]
    try checkType(tensor, converting: converting)
    try Self.checkMemory(tensor.count, MemoryLayout<Float>.stride)
    var values = [Float](repeating: 0, count: tensor.count)
    try values.withUnsafeMutableBufferPointer { values throws(SafetensorsError) in
      try read(name, into: values, converting: converting)
    }
    return values
  }

  /// Reads a whole tensor into memory of the same count, as ``floats(_:converting:)`` does. After
  /// an error the contents of the memory are undefined.
  public func read(
    _ name: String, into memory: UnsafeMutableBufferPointer<Float>, converting: Bool = false
  ) throws(SafetensorsError) {
    let tensor = tensors[try place(name)]
    var check = CRC32()
    let isChecked = checksum(of: name) != nil
    try read(tensor, 0..<tensor.count, into: memory, converting: converting) { piece in
      if isChecked { check.combine(piece) }
    }
    try compare(check, with: tensor)
  }

  /// Reads a range of a tensor's elements, in row-major order, into memory of the same count. The
  /// checksum is not verified; ``verify()`` does that.
  public func read(
    _ name: String, elements: Range<Int>, into memory: UnsafeMutableBufferPointer<Float>,
    converting: Bool = false
  ) throws(SafetensorsError) {
    let tensor = tensors[try place(name)]
    guard elements.lowerBound >= 0 && elements.upperBound <= tensor.count else {
      throw .count(tensor: name, given: elements.upperBound, expected: tensor.count)
    }
    try read(tensor, elements, into: memory, converting: converting) { _ in }
  }

  /// Reads and converts the elements piece by piece, and calls `visit` with each piece while it is
  /// in the cache.
  private func read(
    _ tensor: SafetensorsTensor, _ elements: Range<Int>,
    into memory: UnsafeMutableBufferPointer<Float>, converting: Bool,
    _ visit: (UnsafeRawBufferPointer) -> Void
  ) throws(SafetensorsError) {
    try checkType(tensor, converting: converting)
    guard memory.count == elements.count else {
      throw .count(tensor: tensor.name, given: memory.count, expected: elements.count)
    }
    guard let base = memory.baseAddress, !elements.isEmpty else { return }
    let (place, size) = (try place(tensor.name), tensor.type.size)
    let range = elements.lowerBound * size..<elements.upperBound * size
    if tensor.type == .float32 {
      let bytes = UnsafeMutableRawBufferPointer(memory)
      try pieces(of: place, range, through: bytes) { piece, _ in visit(piece) }
    } else {
      try pieces(of: place, range) { piece, start in
        visit(piece)
        tensor.type.convert(piece, to: base + start / size)
      }
    }
  }

  /// Reads a tensor's bytes, of any type, little-endian and row-major, and verifies its checksum if
  /// it has one.
  public func bytes(_ name: String) throws(SafetensorsError) -> [UInt8] {
    let place = try place(name)
    try Self.checkMemory(tensors[place].byteCount, 1)
    let bytes = try file.bytes(tensors[place].byteCount, at: starts[place])
    var check = CRC32()
    bytes.withUnsafeBytes { check.combine($0) }
    try compare(check, with: tensors[place])
    return bytes
  }

  /// Reads a range of a tensor's bytes, of any type, little-endian and row-major, into memory of
  /// the same count. The checksum is not verified; ``verify()`` does that.
  public func read(
    _ name: String, bytes: Range<Int>, into memory: UnsafeMutableRawBufferPointer
  ) throws(SafetensorsError) {
    let place = try place(name)
    let byteCount = tensors[place].byteCount
    guard bytes.lowerBound >= 0 && bytes.upperBound <= byteCount else {
      throw .count(tensor: name, given: bytes.upperBound, expected: byteCount)
    }
    guard memory.count == bytes.count else {
      throw .count(tensor: name, given: memory.count, expected: bytes.count)
    }
    try file.read(into: memory, at: starts[place] + bytes.lowerBound)
  }

  private func checkType(
    _ tensor: SafetensorsTensor, converting: Bool
  ) throws(SafetensorsError) {
    let allowed = converting ? SafetensorsType.readableAsFloat : [.float32]
    if !allowed.contains(tensor.type) {
      throw .type(tensor: tensor.name, found: tensor.type, allowed: allowed)
    }
  }

  /// Throws ``SafetensorsError/memory(bytes:)`` if memory for `count` elements cannot be allocated:
  /// a sparse file may be longer than any memory.
  package static func checkMemory(_ count: Int, _ stride: Int) throws(SafetensorsError) {
    if let bytes = missingMemory(count, stride) { throw .memory(bytes: bytes) }
  }

  /// Calls `body` with a range of a tensor's bytes piece by piece, and with each piece's offset in
  /// the range. Pieces end between elements. If `memory` is given, it holds all pieces, one after
  /// another.
  func pieces(
    of place: Int, _ range: Range<Int>, through memory: UnsafeMutableRawBufferPointer? = nil,
    _ body: (UnsafeRawBufferPointer, Int) -> Void
  ) throws(SafetensorsError) {
    let size = 1 << 18
    let own =
      memory == nil ? UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16) : nil
    defer { own?.deallocate() }
    if range.isEmpty { return }
    let file = try file
    for done in stride(from: 0, to: range.count, by: size) {
      let count = min(size, range.count - done)
      guard let target = own?[..<count] ?? memory?[done..<done + count] else { return }
      let piece = UnsafeMutableRawBufferPointer(rebasing: target)
      try file.read(into: piece, at: starts[place] + range.lowerBound + done)
      body(UnsafeRawBufferPointer(piece), done)
    }
  }
}
