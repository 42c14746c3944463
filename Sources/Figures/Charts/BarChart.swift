/// Horizontal bars in groups, each with its value beside it; the same input gives the same bytes.
///
/// Within a group, bars follow the order of the legend, so that they can be distinguished in grey
/// too.
package struct BarChart: Sendable {
  package struct Bar: Sendable {
    /// The index of its series in the chart's `series`.
    package var series: Int
    var value: Double
    /// A reference value for the bar, drawn as a line across it.
    var mark: Double?
    /// The text after the bar.
    package var note: String

    package init(series: Int, value: Double, mark: Double? = nil, note: String) {
      (self.series, self.value, self.mark, self.note) = (series, value, mark, note)
    }
  }

  package struct Group: Sendable {
    package var name: String
    package var bars: [Bar]

    package init(name: String, bars: [Bar]) { (self.name, self.bars) = (name, bars) }
  }

  var title: String
  /// What the chart shows, for readers who cannot see it.
  var description: String
  /// The unit of the values.
  var unit: String
  var series: [String]
  var groups: [Group]
  var width = 720.0

  package init(
    title: String, description: String, unit: String, series: [String], groups: [Group]
  ) {
    (self.title, self.description, self.unit) = (title, description, unit)
    (self.series, self.groups) = (series, groups)
  }

  private static let padding = 12.0
  private static let lineHeight = 18.0
  private static let barHeight = 16.0
  private static let groupGap = 12.0

  /// The chart as an SVG document.
  package func svg() -> String {
    let titleLines = Drawing.wrapped(title, width: width - 2 * Self.padding)
    let legend = placedLegend(top: Self.padding + Self.lineHeight * Double(titleLines.count + 1))
    let top = legend.bottom + 14
    let height =
      top + groups.reduce(0) { $0 + Double($1.bars.count) * Self.barHeight + Self.groupGap }
    var drawing = Drawing(
      width: width, height: height + Self.padding, title: title, description: description)
    addStyles(to: &drawing)
    for (index, line) in titleLines.enumerated() {
      let y = Self.padding + Self.lineHeight * (Double(index) + 0.75)
      drawing.text(line, at: .init(x: Self.padding, y: y), class: "title")
    }
    let y = Self.padding + Self.lineHeight * (Double(titleLines.count) + 0.75)
    drawing.text(unit, at: .init(x: Self.padding, y: y), class: "unit")
    for (index, place) in legend.places.enumerated() {
      drawing.area(
        [Self.rectangle(x: place.x, y: place.y - 10, width: 11, height: 11)],
        class: "bar\(index % Palette.colours.count)")
      drawing.text(series[index], at: .init(x: place.x + 17, y: place.y))
    }
    draw(top: top, in: &drawing)
    return drawing.svg
  }

  private func addStyles(to drawing: inout Drawing) {
    drawing.style("title", "font-weight:600")
    drawing.style("unit", "fill-opacity:.7")
    drawing.style("mark", "stroke-width:2")
    for (index, colour) in Palette.colours.prefix(series.count).enumerated() {
      drawing.style(
        "bar\(index)", "fill:\(colour.light);stroke:none",
        dark: "fill:\(colour.dark);stroke:none")
    }
  }

  private func placedLegend(top: Double) -> (places: [Drawing.Point], bottom: Double) {
    var (places, x, y): ([Drawing.Point], Double, Double) = ([], Self.padding, top + 14)
    for name in series {
      let length = 17 + Drawing.widthOfText(name) + 18
      if x > Self.padding, x + length > width - Self.padding {
        (x, y) = (Self.padding, y + Self.lineHeight)
      }
      places.append(.init(x: x, y: y))
      x += length
    }
    return (places, series.isEmpty ? top : y)
  }

  private func draw(top: Double, in drawing: inout Drawing) {
    let names = groups.map { Drawing.widthOfText($0.name) }.max() ?? 0
    let notes = groups.flatMap(\.bars).map { Drawing.widthOfText($0.note) }.max() ?? 0
    let left = Self.padding + names + 10
    let longest = max(width - left - notes - 8 - Self.padding, 40)
    let bars = groups.flatMap(\.bars)
    let values: [Double] = bars.map(\.value) + bars.compactMap(\.mark)
    let unit = longest / max(values.filter(\.isFinite).max() ?? 1, 1e-12)
    var y = top
    for group in groups {
      let middle = y + Double(group.bars.count) * Self.barHeight / 2
      drawing.text(group.name, at: .init(x: left - 10, y: middle + 5), anchor: .end)
      for bar in group.bars {
        let length = bar.value.isFinite ? max(bar.value * unit, 1) : 0
        drawing.area(
          [Self.rectangle(x: left, y: y + 1, width: length, height: Self.barHeight - 2)],
          class: "bar\(bar.series % Palette.colours.count)")
        let mark = bar.mark.map { left + $0 * unit }
        if let mark {
          drawing.path(
            [.init(x: mark, y: y), .init(x: mark, y: y + Self.barHeight)], class: "mark")
        }
        let end = max(left + length, mark ?? 0)
        drawing.text(bar.note, at: .init(x: end + 8, y: y + Self.barHeight - 3))
        y += Self.barHeight
      }
      y += Self.groupGap
    }
  }

  private static func rectangle(
    x: Double, y: Double, width: Double, height: Double
  ) -> [Drawing.Point] {
    [
      .init(x: x, y: y), .init(x: x + width, y: y), .init(x: x + width, y: y + height),
      .init(x: x, y: y + height),
    ]
  }
}
