#if OpenCL
import OpenCLHost

/// How a model's vectors are cut where one allocation does not hold them: between the tiles of
/// tensors, so that norms find each in one piece, and as seldom as can be.
struct SegmentCuts {
  /// Elements of the whole vector.
  let count: Int
  /// Elements that one buffer may hold. A launch's items can then be counted in 32 bits on every
  /// device, even at one element each.
  private let limit: Int
  /// Empty where nothing has to be cut.
  private let tensors: [Range<Int>]

  /// Whether tensors are cut only where one alone is longer than the limit.
  private let keepsTensors: Bool

  /// Of vectors in the layout of the parameters.
  init(_ layout: ParameterLayout, _ context: Context, keepsTensors: Bool = false) {
    self.init(
      count: layout.count, layout.tensors.map(\.range), context, keepsTensors: keepsTensors)
  }

  /// Of a program's states.
  init(
    _ map: StateMap, _ tensors: [ParameterLayout.Tensor], _ context: Context,
    keepsTensors: Bool = false
  ) {
    self.init(
      count: map.count, tensors.map { map.place(of: $0.range) }, context,
      keepsTensors: keepsTensors)
  }

  private init(
    count: Int, _ tensors: [Range<Int>], _ context: Context, keepsTensors: Bool = false
  ) {
    (self.count, self.keepsTensors) = (count, keepsTensors)
    limit = max(1, min(context.largestAllocation / MemoryLayout<Float>.stride, 1 << 31))
    self.tensors = count > limit ? tensors.filter { !$0.isEmpty } : []
  }

  /// How a range of the layout is cut. A tile longer than the limit is cut all the same.
  func pieces(of range: Range<Int>) -> Pieces {
    var counts: [Int] = []
    var start = range.lowerBound
    while start < range.upperBound {
      var end = range.upperBound
      if end - start > limit {
        end = keepsTensors ? lastTensorStart(upTo: start + limit) : start
        if end <= start { end = lastTileStart(upTo: start + limit) }
        if end <= start { end = start + limit }
      }
      counts.append(end - start)
      start = end
    }
    return Pieces(counts: counts)
  }

  /// The last of the tensors' starts that is no greater than `element`; 0 if there is none.
  private func lastTensorStart(upTo element: Int) -> Int {
    let next = tensors.partitioningIndex { $0.lowerBound > element }
    return next > 0 ? tensors[next - 1].lowerBound : 0
  }

  /// The last of the tiles' starts that is no greater than `element`; 0 if there is none.
  private func lastTileStart(upTo element: Int) -> Int {
    // The last tensor that begins no later.
    let next = tensors.partitioningIndex { $0.lowerBound > element }
    guard next > 0 else { return 0 }
    let range = tensors[next - 1]
    let tiles = (min(element, range.upperBound - 1) - range.lowerBound) / Tile.length
    return range.lowerBound + tiles * Tile.length
  }
}
#endif
