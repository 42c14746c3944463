/// Values at the crossings of a grid, and the outlines of the areas above a level, by marching
/// squares (Lorensen & Cline's method in the plane).
struct ContourGrid {
  /// The positions of the grid's lines, in increasing order.
  private let xs: [Double]
  private let ys: [Double]
  /// The values row by row, without the rim.
  let values: [Double]
  /// The values row by row, with a rim below every level, so that every outline is closed. The rim
  /// coincides with the outermost lines: an outline that reaches them follows the grid's edge
  /// exactly.
  private let rimmed: [Double]

  /// A grid of columns × rows cells, at least one of each, over two ranges.
  init(
    x: ClosedRange<Double>, y: ClosedRange<Double>, columns: Int, rows: Int,
    value: (Double, Double) -> Double
  ) {
    let (columnLines, rowLines) = (Self.lines(x, columns), Self.lines(y, rows))
    values = rowLines.flatMap { y in columnLines.map { x in value(x, y) } }
    xs = [x.lowerBound] + columnLines + [x.upperBound]
    ys = [y.lowerBound] + rowLines + [y.upperBound]
    let rim = -Double.infinity
    var rimmed = Array(repeating: rim, count: xs.count)
    for row in 0..<rowLines.count {
      rimmed.append(rim)
      rimmed += values[row * columnLines.count..<(row + 1) * columnLines.count]
      rimmed.append(rim)
    }
    self.rimmed = rimmed + Array(repeating: rim, count: xs.count)
  }

  private static func lines(_ range: ClosedRange<Double>, _ count: Int) -> [Double] {
    let width = range.upperBound - range.lowerBound
    return (0...count).map { range.lowerBound + width * (Double($0) / Double(count)) }
  }

  /// Closed outlines in a fixed order, each without a repetition of its first point at the end. A
  /// crossing whose value equals the level counts as below it.
  func outlines(above level: Double) -> [[Drawing.Point]] {
    // Of the two cells at a crossed edge, the outline leaves one and enters the other.
    var next = edgesAfter(level)
    var outlines: [[Drawing.Point]] = []
    for first in next.keys.sorted() where next[first] != nil {
      var outline: [Drawing.Point] = []
      var edge = first
      while let following = next.removeValue(forKey: edge) {
        outline.append(crossing(of: edge, at: level))
        edge = following
      }
      outlines.append(outline)
    }
    return outlines
  }

  /// For each crossed edge, the next crossed edge of the outline.
  private func edgesAfter(_ level: Double) -> [Int: Int] {
    var next: [Int: Int] = [:]
    let width = xs.count
    for corner in 0..<(ys.count - 1) * width where corner % width < width - 1 {
      let corners = [corner, corner + 1, corner + width + 1, corner + width]
      let first = rimmed[corner] > level
      // A fast path: nearly every cell is entirely above or below the level.
      if (rimmed[corners[1]] > level) == first && (rimmed[corners[2]] > level) == first
        && (rimmed[corners[3]] > level) == first
      {
        continue
      }
      // Edges 2k and 2k + 1 run right and up from crossing k.
      let edges = [2 * corner, 2 * (corner + 1) + 1, 2 * (corner + width), 2 * corner + 1]
      for (from, to) in segments(corners.map { rimmed[$0] }, level) {
        next[edges[from]] = edges[to]
      }
    }
    return next
  }

  /// Pairs of a cell's sides that the outline joins, counted like its corners. Going around the
  /// cell, the outline enters at a side that rises above the level, and leaves at one that falls
  /// below it.
  private func segments(_ corners: [Double], _ level: Double) -> [(Int, Int)] {
    let isAbove = corners.map { $0 > level }
    let climbs = (0..<4).filter { !isAbove[$0] && isAbove[($0 + 1) % 4] }
    let descents = (0..<4).filter { isAbove[$0] && !isAbove[($0 + 1) % 4] }
    guard climbs.count == 2 else { return [(climbs[0], descents[0])] }
    // A saddle: if the middle is below the level, the outline goes around each high corner,
    // otherwise around each low one.
    let middle = corners.reduce(0) { $0 + $1 / 4 }
    return climbs.map { ($0, ($0 + (middle > level ? 3 : 1)) % 4) }
  }

  /// The point on an edge where the level is crossed.
  private func crossing(of edge: Int, at level: Double) -> Drawing.Point {
    let width = xs.count
    let start = edge / 2
    let end = edge % 2 == 0 ? start + 1 : start + width
    func point(_ index: Int) -> Drawing.Point { .init(x: xs[index % width], y: ys[index / width]) }
    // The rim has the position of the line inside it.
    guard rimmed[start].isFinite && rimmed[end].isFinite else { return point(start) }
    let share = (level - rimmed[start]) / (rimmed[end] - rimmed[start])
    return point(start).moved(share, towards: point(end))
  }
}
