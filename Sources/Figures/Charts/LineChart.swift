/// A named line of points.
package struct Series: Sendable {
  package var name: String
  var points: [(x: Double, y: Double)]

  package init(name: String, points: [(x: Double, y: Double)]) {
    (self.name, self.points) = (name, points)
  }
}

/// Lines over a common x axis, each with its name at its end; the same input gives the same bytes.
///
/// A point that is not finite interrupts its line. Values outside the scale, such as 0 on a
/// logarithmic one, are not shown, but the line is drawn up to the edge of the frame towards them.
/// Series differ in colour and, so that they can be distinguished in grey, in their dashes.
package struct LineChart: Sendable {
  var title: String
  /// What the chart shows, for readers who cannot see it.
  var description: String
  var xLabel: String
  var yLabel: String
  var yScale: Scale.Kind = .linear
  /// The range of the y axis; nil for all values.
  var yRange: ClosedRange<Double>?
  var series: [Series]
  var width = 720.0
  var height = 440.0

  package init(
    title: String, description: String, xLabel: String, yLabel: String,
    yScale: Scale.Kind = .linear, yRange: ClosedRange<Double>? = nil, series: [Series],
    width: Double = 720, height: Double = 440
  ) {
    (self.title, self.description) = (title, description)
    (self.xLabel, self.yLabel, self.yScale, self.yRange) = (xLabel, yLabel, yScale, yRange)
    (self.series, self.width, self.height) = (series, width, height)
  }

  /// The chart as an SVG document.
  package func svg() -> String {
    let layout = Layout(self)
    var drawing = Drawing(
      width: width, height: layout.height, title: title, description: description)
    drawing.style("title", "font-weight:600")
    drawing.style("grid", "stroke-opacity:.15")
    drawing.style("line", "stroke-width:2;stroke-linejoin:round")
    drawing.style("dot", "stroke-width:5;stroke-linecap:round")
    drawing.style("leader", "stroke-width:1")
    for index in series.indices.prefix(Palette.colours.count) {
      let colour = Palette.colours[index]
      drawing.style(
        "series\(index)", "stroke:\(colour.light)", dark: "stroke:\(colour.dark)")
    }
    draw(axes: layout, in: &drawing)
    draw(lines: layout, in: &drawing)
    return drawing.svg
  }

  private func draw(axes layout: Layout, in drawing: inout Drawing) {
    for (index, line) in layout.titleLines.enumerated() {
      let y = Layout.padding + Layout.lineHeight * (Double(index) + 0.75)
      drawing.text(line, at: .init(x: Layout.padding, y: y), class: "title")
    }
    drawing.text(yLabel, at: .init(x: Layout.padding, y: layout.top - 14))
    drawing.text(
      xLabel, at: .init(x: (layout.left + layout.right) / 2, y: layout.height - Layout.padding),
      anchor: .middle)
    for tick in layout.y.ticks {
      guard let y = layout.y.position(tick.value).map(layout.height(at:)) else { continue }
      drawing.path([.init(x: layout.left, y: y), .init(x: layout.right, y: y)], class: "grid")
      drawing.text(tick.label, at: .init(x: layout.left - 6, y: y + 5), anchor: .end)
    }
    for tick in layout.x.ticks {
      guard let position = layout.x.position(tick.value) else { continue }
      let x = layout.left + position * (layout.right - layout.left)
      drawing.path(
        [.init(x: x, y: layout.bottom), .init(x: x, y: layout.bottom + 5)], class: "axis")
      drawing.text(tick.label, at: .init(x: x, y: layout.bottom + 20), anchor: .middle)
    }
    drawing.path(
      [
        .init(x: layout.left, y: layout.top), .init(x: layout.left, y: layout.bottom),
        .init(x: layout.right, y: layout.bottom),
      ], class: "axis")
  }

  private func draw(lines layout: Layout, in drawing: inout Drawing) {
    var ends: [Drawing.Point?] = []
    for (index, series) in series.enumerated() {
      let colour = "series\(index % Palette.colours.count)"
      let lines = layout.lines(through: series)
      for line in lines where line.count > 1 {
        drawing.path(line, class: "line \(colour)", dashes: Palette.dashes(index))
      }
      for line in lines where line.count == 1 { drawing.path(line, class: "dot \(colour)") }
      ends.append(lines.last?.last)
    }

    let heights = Self.spread(
      ends.map { $0?.y ?? layout.bottom }, apart: Layout.lineHeight, in: layout.labelRange)
    for (index, end) in ends.enumerated() {
      let place = Drawing.Point(x: layout.right + Layout.leaderLength, y: heights[index])
      if let end {
        let colour = "series\(index % Palette.colours.count)"
        // The end of a line that ends early must be visible: the leader to its label must not look
        // like part of it.
        let stopsEarly = end.x < layout.right - 1
        if stopsEarly { drawing.path([end], class: "dot \(colour)") }
        drawing.path(
          [end, .init(x: place.x - 4, y: place.y)], class: "leader \(colour)",
          dashes: stopsEarly ? "1 4" : "")
      }
      drawing.text(layout.labels[index], at: .init(x: place.x, y: place.y + 5))
    }
  }

  /// Moves heights as little as possible, by least squares, so that neighbours are at least the gap
  /// apart and all are in the range, which must be large enough. Their order is kept.
  static func spread(
    _ heights: [Double], apart gap: Double, in range: ClosedRange<Double>
  ) -> [Double] {
    let order = heights.indices.sorted { (heights[$0], $0) < (heights[$1], $1) }
    // After the gaps are subtracted, heights must not decrease, so heights that would are pooled at
    // their mean.
    var pools: [(sum: Double, count: Int)] = []
    for (rank, index) in order.enumerated() {
      var pool = (sum: heights[index] - Double(rank) * gap, count: 1)
      while let last = pools.last, last.sum / Double(last.count) > pool.sum / Double(pool.count) {
        pool = (last.sum + pool.sum, last.count + pool.count)
        pools.removeLast()
      }
      pools.append(pool)
    }
    let shares = pools.flatMap { repeatElement($0.sum / Double($0.count), count: $0.count) }
    let highest = range.upperBound - Double(max(heights.count, 1) - 1) * gap
    var result = heights
    for (rank, index) in order.enumerated() {
      result[index] =
        max(range.lowerBound, min(shares[rank], highest)) + Double(rank) * gap
    }
    return result
  }
}

/// The positions of the parts of a chart.
private struct Layout {
  static let padding = 12.0
  static let lineHeight = 18.0
  static let leaderLength = 26.0

  let titleLines: [String]
  let labels: [String]
  let x: Scale
  let y: Scale
  let left: Double
  let right: Double
  let top: Double
  let bottom: Double
  /// The height of the drawing, which may exceed the chart's if there are many labels.
  let height: Double

  /// The heights at which the middle of a label may be.
  var labelRange: ClosedRange<Double> { top...max(top, bottom) }

  init(_ chart: LineChart) {
    titleLines = Drawing.wrapped(chart.title, width: chart.width - 2 * Self.padding)
    top = Self.padding + Self.lineHeight * Double(titleLines.count + 1) + 16
    let labelsHeight = Double(max(chart.series.count, 1) - 1) * Self.lineHeight
    bottom = top + max(chart.height - top - 56, labelsHeight, 60)
    height = bottom + 56

    let longestLabel = chart.width * 0.4
    labels = chart.series.map { series in
      let isEmpty = !series.points.contains { $0.x.isFinite && $0.y.isFinite }
      return Self.shortened(isEmpty ? series.name + " (no values)" : series.name, to: longestLabel)
    }
    let labelWidth = labels.map { Drawing.widthOfText($0) }.max() ?? 0
    right = chart.width - Self.padding - labelWidth - Self.leaderLength

    let points = chart.series.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
    let yValues = chart.yRange.map { [$0.lowerBound, $0.upperBound] } ?? points.map(\.y)
    let tickHeight = chart.yScale == .linear ? 44.0 : 26.0
    y = Scale(
      chart.yScale, over: yValues, tickCount: Int((bottom - top) / tickHeight),
      isWidened: chart.yRange == nil)
    left = Self.padding + 6 + (y.ticks.map { Drawing.widthOfText($0.label) }.max() ?? 0)
    x = Scale(
      .linear, over: points.map(\.x), tickCount: Int((right - left) / 70), isWidened: false)
  }

  func height(at position: Double) -> Double { bottom - position * (bottom - top) }

  /// The visible parts of a series, in pixels; a part of one point is a dot.
  func lines(through series: Series) -> [[Drawing.Point]] {
    var lines: [[Drawing.Point]] = []
    var run: [Drawing.Point] = []
    for point in series.points {
      if let x = x.position(point.x), let y = y.position(point.y) {
        // A line to a point too far away would lose its slope to rounding.
        let y = min(max(y, -1e4), 1e4)
        run.append(.init(x: left + x * (right - left), y: height(at: y)))
      } else {
        lines += clipped(run)
        run = []
      }
    }
    return lines + clipped(run)
  }

  private func clipped(_ run: [Drawing.Point]) -> [[Drawing.Point]] {
    let inside = { (point: Drawing.Point) in point.y >= top && point.y <= bottom }
    guard run.count > 1 else { return run.filter(inside).map { [$0] } }
    var lines: [[Drawing.Point]] = []
    var isOpen = false
    for (start, end) in zip(run, run.dropFirst()) {
      guard let (first, last) = clipped(start, end) else {
        isOpen = false
        continue
      }
      if isOpen {
        lines[lines.count - 1].append(last)
      } else {
        lines.append([first, last])
      }
      isOpen = inside(end)
    }
    return lines
  }

  /// The part of a straight line between top and bottom; nil if there is none.
  private func clipped(
    _ start: Drawing.Point, _ end: Drawing.Point
  ) -> (Drawing.Point, Drawing.Point)? {
    guard max(start.y, end.y) >= top && min(start.y, end.y) <= bottom else { return nil }
    func moved(_ point: Drawing.Point) -> Drawing.Point {
      let y = min(max(point.y, top), bottom)
      guard y != point.y else { return point }
      let share = (y - start.y) / (end.y - start.y)
      return .init(x: start.x + share * (end.x - start.x), y: y)
    }
    return (moved(start), moved(end))
  }

  private static func shortened(_ text: String, to width: Double) -> String {
    var text = text
    guard Drawing.widthOfText(text) > width else { return text }
    while text.count > 1 && Drawing.widthOfText(text + "…") > width { text.removeLast() }
    return text + "…"
  }
}
