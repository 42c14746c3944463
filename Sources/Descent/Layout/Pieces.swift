/// How a vector is cut into pieces of memory: one after another they are the vector. Some pieces
/// may be empty.
struct Pieces: Equatable {
  /// Where each piece begins in the vector; one more at the end.
  let starts: [Int]

  /// Of pieces with these lengths.
  init(counts: some Sequence<Int>) {
    starts = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
  }

  /// One piece.
  init(count: Int) { starts = [0, count] }

  /// Elements of the vector.
  var count: Int { starts[starts.count - 1] }

  /// The pieces.
  var indices: Range<Int> { 0..<starts.count - 1 }

  /// The range of a piece in the vector.
  subscript(index: Int) -> Range<Int> { starts[index]..<starts[index + 1] }

  /// The pieces' lengths.
  var counts: [Int] { indices.map { self[$0].count } }

  /// Whether memory is cut like this.
  func fit(_ memory: HostPieces) -> Bool {
    guard memory.count == indices.count else { return false }
    for (index, piece) in memory.enumerated() where self[index].count != piece.count {
      return false
    }
    return true
  }

  /// Calls `body` with each part of a range of the vector that is in one piece: the piece, the
  /// part's offset in the piece, and the part's range in the vector.
  func forEachPart(
    of range: Range<Int>, _ body: (_ piece: Int, _ offset: Int, _ part: Range<Int>) throws -> Void
  ) rethrows {
    if range.isEmpty { return }
    var place = Place(piece: indices.partitioningIndex { self[$0].upperBound > range.lowerBound })
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(range.upperBound, place.advance(to: start, in: self))
      try body(place.piece, start - place.origin, start..<end)
      start = end
    }
  }

  /// The piece of a vector that holds an element, and where that piece begins.
  struct Place: Equatable {
    var piece = 0
    var origin = 0

    /// Moves on to the piece that holds the element, and returns where that piece ends. Empty
    /// pieces hold none.
    mutating func advance(to element: Int, in pieces: Pieces) -> Int {
      while pieces.starts[piece + 1] <= element { piece += 1 }
      origin = pieces.starts[piece]
      return pieces.starts[piece + 1]
    }
  }
}

extension Pieces {
  /// As this memory is cut.
  init(_ memory: HostPieces) { self.init(counts: memory.lazy.map(\.count)) }
}

/// A vector in pieces of host memory, read and written by places in the vector.
struct HostVector {
  private let memory: [ElementBuffer]
  private let pieces: Pieces

  init(_ memory: HostPieces) { (self.memory, pieces) = (Array(memory), Pieces(memory)) }

  /// Elements of all pieces.
  var count: Int { pieces.count }

  /// Calls `body` with the memory of each part of a range of the vector that is in one piece, and
  /// where in the range the part begins.
  func forEachPart(
    of range: Range<Int>, _ body: (ElementBuffer, Int) throws -> Void
  ) rethrows {
    try pieces.forEachPart(of: range) { piece, offset, part in
      try body(memory[piece][offset..<offset + part.count], part.lowerBound - range.lowerBound)
    }
  }

  /// Calls `body` with each part of these stretches, in order, that is in one piece: the part's
  /// range in the vector, and its first element in memory.
  func forEachPart(
    of stretches: [ParameterLayout.Stretch],
    _ body: (Range<Int>, ElementPointer) throws -> Void
  ) rethrows {
    for stretch in stretches {
      try pieces.forEachPart(of: stretch.range) { piece, offset, part in
        if let start = memory[piece].start { try body(part, start + offset) }
      }
    }
  }

  /// Fills `target` with the elements from `start` on.
  func copy(from start: Int, to target: ElementBuffer) {
    forEachPart(of: start..<start + target.count) { part, offset in
      target[offset..<offset + part.count].copy(from: part)
    }
  }

  /// Writes the elements from `start` on.
  func copy(_ source: ElementBuffer, to start: Int) {
    forEachPart(of: start..<start + source.count) { part, offset in
      part.copy(from: source[offset..<offset + part.count])
    }
  }
}
