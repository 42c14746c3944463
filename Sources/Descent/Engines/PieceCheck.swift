#if OpenCL
import OpenCLHost
#endif

/// Throws where two pieces of the vectors share memory: an element must not change before it is read.
/// Remembers what it found apart, since a trainer's vectors are mostly those of the step before.
struct PieceCheck {
  private var host: [UnsafeRawBufferPointer] = []

  mutating func check(_ parameters: HostPieces, _ gradients: HostPieces) throws {
    if isLast(parameters, gradients) { return }
    let pieces = parameters.map { UnsafeRawBufferPointer($0) } + gradients.map { .init($0) }
    let sorted = pieces.filter { !$0.isEmpty }.sorted { $0.start < $1.start }
    for (piece, next) in zip(sorted, sorted.dropFirst()) where piece.end > next.start {
      throw DescentError.overlap
    }
    host = pieces
  }

  private func isLast(_ parameters: HostPieces, _ gradients: HostPieces) -> Bool {
    guard parameters.count + gradients.count == host.count else { return false }
    for (piece, last) in zip(parameters, host)
    where !last.isSame(as: UnsafeRawBufferPointer(piece)) { return false }
    for (index, piece) in gradients.enumerated()
    where !host[parameters.count + index].isSame(as: UnsafeRawBufferPointer(piece)) { return false }
    return true
  }

  #if OpenCL
  /// Slices of different memory are apart, so only those of one are compared.
  func check(_ parameters: [BufferSlice<Float>], _ gradients: [BufferSlice<Float>]) throws {
    let pieces = (parameters + gradients).filter { $0.count > 0 }
    if pieces.count == 2, !pieces[0].overlaps(pieces[1]) { return }
    for (_, slices) in Dictionary(grouping: pieces, by: \.buffer.place.memory) {
      let sorted = slices.sorted { $0.bytes.lowerBound < $1.bytes.lowerBound }
      for (slice, next) in zip(sorted, sorted.dropFirst()) where slice.overlaps(next) {
        throw DescentError.overlap
      }
    }
  }
  #endif
}

extension UnsafeRawBufferPointer {
  fileprivate var start: UInt { UInt(bitPattern: baseAddress) }
  fileprivate var end: UInt { start + UInt(count) }

  fileprivate func isSame(as other: UnsafeRawBufferPointer) -> Bool {
    baseAddress == other.baseAddress && count == other.count
  }
}
