#if OpenCL
import OpenCLHost
#endif

/// Throws where a piece that a step writes shares memory with another: an element must not change
/// before it is read. Pieces that are only read may overlap. Remembers the last pieces that passed,
/// since a trainer's vectors are mostly those of the step before.
struct PieceCheck {
  private var host: [UnsafeRawBufferPointer] = []
  /// Whether the gradients were written too.
  private var hostZeroes = false

  /// Parameters are written, gradients where the step `zeroes` them.
  mutating func check(_ parameters: HostPieces, _ gradients: HostPieces, zeroes: Bool) throws {
    if parameters.isEmpty && !zeroes { return }
    if zeroes == hostZeroes && isLast(parameters, gradients) { return }
    let pieces = (Array(parameters) + gradients).map { UnsafeRawBufferPointer($0.bytes) }
    try checkApart(
      pieces.enumerated().filter { !$1.isEmpty }.map { index, piece in
        (piece.start..<piece.end, isWritten: zeroes || index < parameters.count)
      })
    (host, hostZeroes) = (pieces, zeroes)
  }

  private func isLast(_ parameters: HostPieces, _ gradients: HostPieces) -> Bool {
    guard parameters.count + gradients.count == host.count else { return false }
    for (piece, last) in zip(parameters, host)
    where !last.isSame(as: UnsafeRawBufferPointer(piece.bytes)) { return false }
    for (index, piece) in gradients.enumerated()
    where !host[parameters.count + index].isSame(as: UnsafeRawBufferPointer(piece.bytes)) {
      return false
    }
    return true
  }

  #if OpenCL
  /// Slices of different memory are apart, so only those of one are compared.
  func check(
    _ parameters: [DeviceSlice], _ gradients: [DeviceSlice], zeroes: Bool
  ) throws {
    if parameters.isEmpty && !zeroes { return }
    if parameters.count == 1, gradients.count == 1, !parameters[0].overlaps(gradients[0]) { return }
    let pieces =
      parameters.map { (slice: $0, isWritten: true) }
      + gradients.map { (slice: $0, isWritten: zeroes) }
    let ofMemories = Dictionary(grouping: pieces.filter { $0.slice.count > 0 }) {
      $0.slice.buffer.place.memory
    }
    for (_, pieces) in ofMemories {
      try checkApart(pieces.map { ($0.slice.bytes, $0.isWritten) })
    }
  }
  #endif
}

extension UnsafeRawBufferPointer {
  var start: UInt { UInt(bitPattern: baseAddress) }
  var end: UInt { start + UInt(count) }

  fileprivate func isSame(as other: UnsafeRawBufferPointer) -> Bool {
    baseAddress == other.baseAddress && count == other.count
  }
}
