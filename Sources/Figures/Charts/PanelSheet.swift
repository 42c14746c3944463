/// Several plots under one title, for a figure that needs more than one plot.
///
/// The same input gives the same bytes. Every series has its own colour, dashes and mark, so that
/// it can be recognized in grey too; its name is beside its line.
package struct PanelSheet: Sendable {
  var title: String
  /// What the picture shows, for readers who cannot see it.
  var description: String
  /// The rows from top to bottom; the panels of a row share its width equally.
  var rows: [[Panel]]

  package init(title: String, description: String, rows: [[Panel]]) {
    (self.title, self.description, self.rows) = (title, description, rows)
  }

  static let width = 560.0
  private static let padding = 12.0
  private static let gap = 18.0
  private static let lineHeight = 18.0

  /// The sheet as an SVG document.
  package func svg() -> String {
    let titleLines = Drawing.wrapped(title, width: Self.width - 2 * Self.padding)
    var top = Self.padding + Self.lineHeight * Double(titleLines.count) + 12
    var placed: [PlacedPanel] = []
    for row in rows {
      let panels = Self.place(row, top: top)
      top = (panels.map(\.bottom).max() ?? top) + Self.gap
      placed += panels
    }
    var drawing = Drawing(
      width: Self.width, height: top - Self.gap + Self.padding, title: title,
      description: description)
    Self.addStyles(to: &drawing)
    for (index, line) in titleLines.enumerated() {
      let y = Self.padding + Self.lineHeight * (Double(index) + 0.75)
      drawing.text(line, at: .init(x: Self.padding, y: y), class: "title")
    }
    for panel in placed { panel.draw(in: &drawing) }
    return drawing.svg
  }

  private static func place(_ row: [Panel], top: Double) -> [PlacedPanel] {
    let count = Double(max(row.count, 1))
    let width = (Self.width - 2 * padding - (count - 1) * gap) / count
    let tops = row.map { Double(Drawing.wrapped($0.heading, width: width).count) * lineHeight }
    return row.enumerated().map { index, panel in
      PlacedPanel(
        panel, left: padding + Double(index) * (width + gap), top: top, width: width,
        headingHeight: tops.max() ?? 0)
    }
  }

  private static func addStyles(to drawing: inout Drawing) {
    let (light, dark) = Drawing.ground
    drawing.style("title", "font-weight:600")
    drawing.style("unit", "fill-opacity:.7")
    drawing.style("grid", "stroke-opacity:.15")
    drawing.style(
      "contour", "fill:currentColor;fill-opacity:.014;fill-rule:evenodd;stroke-opacity:.22")
    drawing.style(
      "halo", "stroke:\(light);stroke-width:4.5;stroke-opacity:.75", dark: "stroke:\(dark)")
    drawing.style("line", "stroke-width:1.8;stroke-linejoin:round")
    drawing.style("broad", "stroke-width:6;stroke-linejoin:round;stroke-opacity:.45")
    drawing.style("head", "fill:currentColor;stroke:none")
    drawing.style("mark", "fill:currentColor;stroke:\(light)", dark: "stroke:\(dark)")
    drawing.style("start", "fill:\(light);stroke-width:2", dark: "fill:\(dark)")
    drawing.style("minimum", "stroke-width:2")
    // Labels are drawn on contours and beside lines.
    drawing.style(
      "label", "paint-order:stroke;stroke:\(light);stroke-width:4;stroke-linejoin:round",
      dark: "stroke:\(dark)")
    for (index, colour) in Palette.colours.enumerated() {
      drawing.style("series\(index)", "color:\(colour.light)", dark: "color:\(colour.dark)")
    }
  }
}

/// One plot: axes and marks, in the units of the axes.
package struct Panel: Sendable {
  package typealias Place = Surface.Point

  package struct Axis: Sendable {
    var label: String
    var range: ClosedRange<Double>
    var kind = Scale.Kind.linear
    /// The ticks; nil for those of the scale. For names rather than numbers.
    var ticks: [Scale.Tick]?

    package init(
      label: String, range: ClosedRange<Double>, kind: Scale.Kind = .linear,
      ticks: [Scale.Tick]? = nil
    ) {
      (self.label, self.range, self.kind, self.ticks) = (label, range, kind, ticks)
    }
  }

  package enum Mark: Sendable {
    /// The contours of a surface.
    case contours(Surface)
    /// A reference line.
    case grid([Place])
    /// A line in the series' colour and dashes; a broad one is drawn below others.
    case line([Place], series: Int, isBroad: Bool = false)
    /// The series' mark at each place.
    case marks([Place], series: Int, radius: Double = 4)
    /// An arrow between two places in the series' colour and dashes.
    case arrow(from: Place, to: Place, series: Int)
    /// A ring around each place.
    case starts([Place])
    /// A cross at each place.
    case minima([Place])
    /// Text whose baseline is offset from the place by this many pixels.
    case label(String, at: Place, dx: Double = 0, dy: Double = 0, anchor: Drawing.Anchor = .start)
  }

  var heading: String
  var x: Axis
  var y: Axis
  /// The height of the plot in pixels; nil gives both axes the same scale.
  var height: Double?
  /// The marks in the order in which they are drawn.
  var marks: [Mark]

  package init(heading: String, x: Axis, y: Axis, height: Double? = nil, marks: [Mark]) {
    (self.heading, self.x, self.y, self.height, self.marks) = (heading, x, y, height, marks)
  }
}

/// A panel at its position on the sheet.
private struct PlacedPanel {
  private let panel: Panel
  private let x: Scale
  private let y: Scale
  private let frame: Frame
  private let headingLines: [String]
  private let left: Double
  private let top: Double

  var bottom: Double { frame.bottom + 44 }

  init(_ panel: Panel, left: Double, top: Double, width: Double, headingHeight: Double) {
    (self.panel, self.left, self.top) = (panel, left, top)
    headingLines = Drawing.wrapped(panel.heading, width: width)
    let frameTop = top + headingHeight + 26
    // The number of ticks depends on the height of the y axis, and that on the width of the labels,
    // so a width is assumed first.
    func height(_ labels: Double) -> Double {
      panel.height ?? (width - labels) * panel.y.length / panel.x.length
    }
    y = panel.y.scale(tickCount: Int(height(30) / 30))
    let labels = 9 + ((panel.y.ticks ?? y.ticks).map { Drawing.widthOfText($0.label) }.max() ?? 0)
    x = panel.x.scale(tickCount: Int((width - labels) / 42))
    frame = Frame(
      left: left + labels, top: frameTop, right: left + width, bottom: frameTop + height(labels))
  }

  func draw(in drawing: inout Drawing) {
    for (index, line) in headingLines.enumerated() {
      drawing.text(line, at: .init(x: left, y: top + 18 * (Double(index) + 0.75)))
    }
    for mark in panel.marks {
      if case .contours(let surface) = mark { draw(surface, in: &drawing) }
    }
    drawAxes(in: &drawing)
    for mark in panel.marks { draw(mark, in: &drawing) }
  }

  private func drawAxes(in drawing: inout Drawing) {
    for tick in panel.x.ticks ?? x.ticks {
      guard let place = place(.init(x: tick.value, y: y.range.lowerBound)) else { continue }
      drawing.path([place, .init(x: place.x, y: place.y + 5)], class: "axis")
      drawing.text(tick.label, at: .init(x: place.x, y: place.y + 20), anchor: .middle)
    }
    for tick in panel.y.ticks ?? y.ticks {
      guard let place = place(.init(x: x.range.lowerBound, y: tick.value)) else { continue }
      drawing.path([place, .init(x: place.x - 4, y: place.y)], class: "axis")
      drawing.text(tick.label, at: .init(x: place.x - 7, y: place.y + 5), anchor: .end)
    }
    drawing.text(panel.y.label, at: .init(x: left, y: frame.top - 10), class: "unit")
    drawing.text(
      panel.x.label, at: .init(x: (frame.left + frame.right) / 2, y: frame.bottom + 38),
      anchor: .middle, class: "unit")
    drawing.path(
      [
        .init(x: frame.left, y: frame.top), .init(x: frame.left, y: frame.bottom),
        .init(x: frame.right, y: frame.bottom),
      ], class: "axis")
  }

  private func draw(_ mark: Panel.Mark, in drawing: inout Drawing) {
    switch mark {
    case .contours: break  // Drawn below the axes.
    case .grid(let places): drawing.path(places.compactMap(place), class: "grid")
    case .line(let places, let series, let isBroad):
      draw(line: places, series, isBroad, in: &drawing)
    case .marks(let places, let series, let radius):
      draw(Palette.marker(series), radius, at: places, class: "mark series\(series)", in: &drawing)
    case .arrow(let from, let to, let series):
      draw(arrowFrom: from, to: to, series, in: &drawing)
    case .starts(let places):
      draw(Palette.marker(0), 5, at: places, class: "start", in: &drawing)
    case .minima(let places):
      for place in places.compactMap(place) {
        for y in [-4.5, 4.5] {
          drawing.path(
            [.init(x: place.x - 4.5, y: place.y - y), .init(x: place.x + 4.5, y: place.y + y)],
            class: "minimum")
        }
      }
    case .label(let text, let at, let dx, let dy, let anchor):
      guard let place = place(at) else { return }
      drawing.text(
        text, at: .init(x: place.x + dx, y: place.y + dy), anchor: anchor, class: "label")
    }
  }

  private func draw(_ surface: Surface, in drawing: inout Drawing) {
    // Cells are about three pixels wide; smaller ones make no visible difference.
    let grid = ContourGrid(
      x: panel.x.range, y: panel.y.range, columns: Int((frame.right - frame.left) / 3),
      rows: Int((frame.bottom - frame.top) / 3), value: surface.value)
    for level in ContourPlot.levels(of: surface, values: grid.values) {
      let outlines = grid.outlines(above: level).map { outline in
        Polyline.simplified(
          outline: outline.compactMap { place(.init(x: $0.x, y: $0.y)) }, tolerance: 0.2)
      }
      drawing.area(outlines.filter { $0.count > 2 }, class: "contour")
    }
  }

  private func draw(
    line places: [Panel.Place], _ series: Int, _ isBroad: Bool, in drawing: inout Drawing
  ) {
    for line in frame.visible(places.compactMap(place)).lines {
      let line = Polyline.simplified(line, tolerance: 0.2)
      if hasHalos { drawing.path(line, class: "halo") }
      drawing.path(
        line, class: "\(isBroad ? "broad" : "line") series\(series)",
        dashes: isBroad ? "" : Palette.dashes(series))
    }
  }

  private func draw(
    _ outline: [Drawing.Point], _ radius: Double, at places: [Panel.Place], class names: String,
    in drawing: inout Drawing
  ) {
    for place in places.compactMap(place) where frame.contains(place) {
      drawing.area(
        [outline.map { .init(x: place.x + radius * $0.x, y: place.y + radius * $0.y) }],
        class: names)
    }
  }

  private func draw(
    arrowFrom from: Panel.Place, to: Panel.Place, _ series: Int, in drawing: inout Drawing
  ) {
    guard let from = place(from), let tip = place(to), from != tip else { return }
    let length = from.distance(to: tip)
    let back = from.moved(1 - min(10, length) / length, towards: tip)
    let (width, height) = ((tip.y - back.y) * 0.45, (back.x - tip.x) * 0.45)
    if hasHalos { drawing.path([from, back], class: "halo") }
    drawing.path([from, back], class: "line series\(series)", dashes: Palette.dashes(series))
    drawing.area(
      [
        [
          tip, .init(x: back.x + width, y: back.y + height),
          .init(x: back.x - width, y: back.y - height),
        ]
      ], class: "head series\(series)")
  }

  /// Whether lines need halos to stand out; a line on a broad line does not.
  private var hasHalos: Bool {
    var (isShaded, hasBroadLines) = (false, false)
    for mark in panel.marks {
      if case .contours = mark { isShaded = true }
      if case .line(_, _, true) = mark { hasBroadLines = true }
    }
    return isShaded && !hasBroadLines
  }

  private func place(_ place: Panel.Place) -> Drawing.Point? {
    guard let x = x.position(place.x), let y = y.position(place.y) else { return nil }
    return .init(
      x: frame.left + x * (frame.right - frame.left),
      y: frame.bottom - y * (frame.bottom - frame.top))
  }
}

extension Panel.Axis {
  fileprivate var length: Double { range.upperBound - range.lowerBound }

  fileprivate func scale(tickCount: Int) -> Scale {
    Scale(
      kind, over: [range.lowerBound, range.upperBound], tickCount: tickCount, isWidened: false)
  }
}

extension Panel {
  /// The contours of a surface with marks on it; the axes have the same scale.
  static func surface(_ surface: Surface, heading: String, marks: [Mark]) -> Panel {
    Panel(
      heading: heading, x: Axis(label: "x", range: surface.domain.x),
      y: Axis(label: "y", range: surface.domain.y), marks: [.contours(surface)] + marks)
  }
}
