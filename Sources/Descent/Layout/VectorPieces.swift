/// A vector that lies in several pieces of memory: one after another they are the vector.
struct VectorPieces {
  private let pieces: [UnsafeMutableBufferPointer<Float>]
  /// Where in the vector each piece ends.
  private let ends: [Int]

  /// Of all pieces.
  var count: Int { ends.last ?? 0 }

  init(_ pieces: HostPieces) {
    self.pieces = Array(pieces)
    var end = 0
    ends = pieces.map {
      end += $0.count
      return end
    }
  }

  /// Calls `body` with the memory of each part of a range of the vector that lies in one piece, and
  /// where in the range it begins.
  func forEachPart(
    of range: Range<Int>, _ body: (UnsafeMutableBufferPointer<Float>, Int) throws -> Void
  ) rethrows {
    // The first piece that ends behind the range's beginning.
    var (index, above) = (0, ends.count)
    while index < above {
      let middle = (index + above) / 2
      if ends[middle] > range.lowerBound { above = middle } else { index = middle + 1 }
    }
    var start = range.lowerBound
    while start < range.upperBound, index < pieces.count {
      let (first, end) = (ends[index] - pieces[index].count, min(ends[index], range.upperBound))
      if start < end {
        let part = UnsafeMutableBufferPointer(rebasing: pieces[index][start - first..<end - first])
        try body(part, start - range.lowerBound)
        start = end
      }
      index += 1
    }
  }
}
