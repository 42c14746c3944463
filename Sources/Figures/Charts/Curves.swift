import Foundation

extension Panel {
  /// A line with a name. If the line reaches the end of the axis, its name is in a column after it,
  /// otherwise at the point where the line leaves the plot for good.
  struct Curve: Sendable {
    var name: String
    var points: [Place]
    var series: Int
    /// Whether the line is broad, so that others on the same course are visible on it.
    var isBroad = false
  }

  /// Lines over a common x axis, which is extended to make room for their names.
  static func curves(
    heading: String, x: Axis, y: Axis, height: Double = 170, _ curves: [Curve]
  ) -> Panel {
    let names = NameColumn(curves, x: x, y: y, height: height)
    return Panel(
      heading: heading, x: names.extendedAxis, y: y, height: height,
      marks: curves.map { .line($0.points, series: $0.series, isBroad: $0.isBroad) } + names.marks)
  }

  /// A line for each name, with a value for every step from 1 on.
  static func bySteps(
    heading: String, y: Axis, height: Double = 170, _ names: [String], _ values: [[Double]]
  ) -> Panel {
    let steps = values.map(\.count).max() ?? 1
    return .curves(
      heading: heading, x: Axis(label: "step", range: 1...Double(steps)), y: y, height: height,
      zip(names, values).enumerated().map { index, pair in
        Curve(
          name: pair.0,
          points: pair.1.enumerated().map { .init(x: Double($0.offset + 1), y: $0.element) },
          series: index)
      })
  }

  /// A line for each name, from the minimum of its values to the maximum, with a mark at their
  /// mean.
  static func ranges(
    heading: String, x: Axis, _ rows: [(name: String, values: [Double], series: Int)]
  ) -> Panel {
    let marks = rows.enumerated().flatMap { index, row -> [Mark] in
      guard let least = row.values.min(), let greatest = row.values.max() else { return [] }
      let y = -Double(index)
      return [
        .line([.init(x: least, y: y), .init(x: greatest, y: y)], series: row.series),
        .marks([.init(x: row.values.mean, y: y)], series: row.series, radius: 5),
      ]
    }
    return Panel(
      heading: heading, x: x, y: .names(rows.map(\.name)), height: Axis.height(ofNames: rows.count),
      marks: marks)
  }
}

extension Panel.Axis {
  /// The names at 0, −1, −2 …, from top to bottom.
  static func names(_ names: [String]) -> Panel.Axis {
    Panel.Axis(
      label: "", range: 0.4 - Double(names.count)...0.6,
      ticks: names.enumerated().map { .init(value: -Double($0.offset), label: $0.element) })
  }

  static func height(ofNames count: Int) -> Double { Double(count) * 20 }

  fileprivate var scale: Scale {
    Scale(kind, over: [range.lowerBound, range.upperBound], tickCount: 8, isWidened: false)
  }

  /// The value at a position: at 0 the lower bound, at 1 the upper; other positions are outside.
  fileprivate func value(at position: Double) -> Double {
    let (low, high) = (range.lowerBound, range.upperBound)
    return kind == .linear ? low + (high - low) * position : low * pow(high / low, position)
  }
}

/// The positions of the names of curves.
private struct NameColumn {
  /// About the width of a plot that fills the sheet.
  private static let plotWidth = 500.0
  private static let (gapBeforeMark, gapBeforeName) = (12.0, 9.0)
  private static let lineHeight = 17.0

  private let curves: [Panel.Curve]
  private let x: Panel.Axis
  private let y: Panel.Axis
  private let height: Double
  /// The size of a pixel as a fraction of the x axis before it is extended.
  private let pixel: Double
  private let width: Double

  init(_ curves: [Panel.Curve], x: Panel.Axis, y: Panel.Axis, height: Double) {
    (self.curves, self.x, self.y, self.height) = (curves, x, y, height)
    width =
      Self.gapBeforeMark + Self.gapBeforeName
      + (curves.map { Drawing.widthOfText($0.name) }.max() ?? 0)
    pixel = 1 / (Self.plotWidth - width)
  }

  /// The axis with the same ticks, extended to make room for the names.
  var extendedAxis: Panel.Axis {
    var axis = x
    axis.ticks = x.ticks ?? x.scale.ticks
    axis.range = x.range.lowerBound...x.value(at: 1 + width * pixel)
    return axis
  }

  var marks: [Panel.Mark] {
    let ends = curves.map(end)
    let inColumn = curves.indices.filter { (ends[$0]?.x ?? 0) >= x.range.upperBound }
    let heights = LineChart.spread(
      inColumn.map { pixels(ends[$0]) }, apart: Self.lineHeight,
      in: 0...height - Self.lineHeight / 2)
    let column = zip(inColumn, heights).flatMap { index, height -> [Panel.Mark] in
      let place = Panel.Place(
        x: x.value(at: 1 + Self.gapBeforeMark * pixel), y: y.value(at: 1 - height / self.height))
      return (ends[index].map { [.grid([$0, place])] } ?? []) + name(of: curves[index], at: place)
    }
    let early = curves.indices.filter { !inColumn.contains($0) }.flatMap { index in
      ends[index].map { name(of: curves[index], at: inside($0)) } ?? []
    }
    return column + early
  }

  private func name(of curve: Panel.Curve, at place: Panel.Place) -> [Panel.Mark] {
    [
      .marks([place], series: curve.series),
      .label(curve.name, at: place, dx: Self.gapBeforeName, dy: 5),
    ]
  }

  /// The point where a curve is last visible.
  private func end(of curve: Panel.Curve) -> Panel.Place? {
    let points = curve.points
    let isSeen = { (point: Panel.Place) in x.range.contains(point.x) && y.range.contains(point.y) }
    guard let last = points.lastIndex(where: isSeen) else { return nil }
    guard last + 1 < points.count, points[last].x < x.range.upperBound else { return points[last] }
    let bound = points[last + 1].y < y.range.lowerBound ? y.range.lowerBound : y.range.upperBound
    return .init(x: points[last].x, y: bound)
  }

  private func pixels(_ place: Panel.Place?) -> Double {
    (1 - (place.flatMap { y.scale.position($0.y) } ?? 0)) * height
  }

  /// The place, moved up or down so that a name beside it is inside the plot.
  private func inside(_ place: Panel.Place) -> Panel.Place {
    let wanted = min(max(pixels(place), Self.lineHeight / 2), height - Self.lineHeight)
    return .init(x: place.x, y: y.value(at: 1 - wanted / height))
  }
}
