#if OpenCL
import OpenCLHost

/// How a model's vectors are cut where one allocation does not hold them: between the tiles of tensors,
/// so that norms find each in one piece, and as seldom as can be.
struct SegmentCuts {
  /// Elements of the whole vector.
  let count: Int
  /// Elements that one buffer may hold. A launch's items can then be counted in 32 bits on every device,
  /// even at one element each.
  private let limit: Int
  /// Empty where nothing has to be cut.
  private let tensors: [ParameterLayout.Tensor]

  init(_ layout: ParameterLayout, _ context: Context) {
    count = layout.count
    limit = max(1, min(context.largestAllocation / MemoryLayout<Float>.stride, 1 << 31))
    tensors = count > limit ? layout.tensors.filter { $0.count > 0 } : []
  }

  /// The lengths of the parts of a range of the layout. A tile longer than the limit is cut all the same.
  func counts(of range: Range<Int>) -> [Int] {
    var counts: [Int] = []
    var start = range.lowerBound
    while start < range.upperBound {
      var end = range.upperBound
      if end - start > limit {
        end = lastTileStart(upTo: start + limit)
        if end <= start { end = start + limit }
      }
      counts.append(end - start)
      start = end
    }
    return counts
  }

  /// The last of the tiles' starts that is no greater than `element`; 0 if there is none.
  private func lastTileStart(upTo element: Int) -> Int {
    // The last tensor that begins no later, by bisection.
    var (low, high) = (0, tensors.count)
    while low < high {
      let middle = (low + high) / 2
      if tensors[middle].range.lowerBound <= element { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return 0 }
    let range = tensors[low - 1].range
    let tiles = (min(element, range.upperBound - 1) - range.lowerBound) / Tile.length
    return range.lowerBound + tiles * Tile.length
  }
}
#endif
