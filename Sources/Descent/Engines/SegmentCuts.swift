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
  /// Where tiles begin; empty where nothing has to be cut.
  private let tileStarts: [Int]

  init(_ layout: ParameterLayout, _ context: Context) {
    count = layout.count
    limit = max(1, min(context.largestAllocation / MemoryLayout<Float>.stride, 1 << 31))
    tileStarts = count > limit ? Tile.covering(layout.tensors).tiles.map(\.start) : []
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

  /// The last of the tiles' starts that is no greater than `element`, by bisection; 0 if there is none.
  private func lastTileStart(upTo element: Int) -> Int {
    var (low, high) = (0, tileStarts.count)
    while low < high {
      let middle = (low + high) / 2
      if tileStarts[middle] <= element { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? 0 : tileStarts[low - 1]
  }
}
#endif
