internal import DescentKernels

/// A part of one tensor whose squares are summed together.
struct Tile: Equatable {
  /// The most elements of a tile.
  static let length = Int(DESCENT_TILE)

  var start: Int
  var count: Int

  /// The tiles of these tensors, tensor after tensor, and which of them are whose.
  static func covering(
    _ tensors: [ParameterLayout.Tensor]
  ) -> (tiles: [Tile], ofTensor: [Range<Int>]) {
    var tiles: [Tile] = []
    let ofTensor = tensors.map { tensor in
      let first = tiles.count
      for start in stride(from: tensor.range.lowerBound, to: tensor.range.upperBound, by: length) {
        tiles.append(Tile(start: start, count: min(length, tensor.range.upperBound - start)))
      }
      return first..<tiles.count
    }
    return (tiles, ofTensor)
  }
}

/// The reduction over gradients before an update: the tiles of all tensors that are not frozen, the
/// fold of tiles to tensors, and of tensors to clipping sets.
struct NormPlan {
  let tiles: [Tile]
  /// Tiles of each tensor that is looked at, and tensors of each clipping set, with the sum over
  /// all at the end: lists of terms, and where each begins.
  let tensors: (list: [Int32], starts: [Int32])
  let sets: (list: [Int32], starts: [Int32])
  let limits: [(limit: Float, epsilon: Float)]
  let setOfTensor: [Int]

  init(_ layout: ParameterLayout, _ control: StepControl) {
    let clip = ClipSets(layout, control)
    let looked = clip.members[clip.members.count - 1]
    let (tiles, ofTensor) = Tile.covering(looked.map { layout.tensors[$0] })
    var places = [Int](repeating: -1, count: layout.tensors.count)
    for (place, tensor) in looked.enumerated() { places[tensor] = place }
    self.tiles = tiles
    tensors = Self.lists(ofTensor.map { Array($0) })
    sets = Self.lists(clip.members.map { $0.map { places[$0] }.filter { $0 >= 0 } })
    limits = clip.limits
    setOfTensor = clip.setOfTensor
  }

  private static func lists(_ members: [[Int]]) -> (list: [Int32], starts: [Int32]) {
    (members.joined().map(Int32.init), Pieces(counts: members.map(\.count)).starts.map(Int32.init))
  }

  /// The piece that holds each tile. Throws ``DescentError`` if a piece begins in the middle of
  /// one.
  func pieces(of gradients: Pieces) throws -> [Int] {
    var place = Pieces.Place()
    return try tiles.map { tile in
      let end = place.advance(to: tile.start, in: gradients)
      guard end >= tile.start + tile.count else {
        throw DescentError.value(
          of: "the start of a piece of gradients", given: "\(end)",
          allowed: "to clip or skip, the start of a tensor, or a multiple of \(Tile.length) "
            + "elements after it")
      }
      return place.piece
    }
  }
}
