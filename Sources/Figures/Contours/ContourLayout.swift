/// The positions of the parts of a contour plot.
struct ContourLayout {
  /// A line of the legend.
  struct Entry {
    var mark: ContourPlot.Mark
    var text: String
  }

  static let sampleLength = 24.0
  private static let padding = 12.0
  private static let lineHeight = 18.0
  private static let legendLineHeight = 21.0

  let titleLines: [String]
  let frame: Frame
  let x: Scale
  let y: Scale
  let entries: [Entry]
  let height: Double
  private let domain: Surface.Domain
  private let legendTop: Double
  private let legendColumns: Int

  init(_ plot: ContourPlot) {
    domain = plot.domain
    titleLines = Drawing.wrapped(plot.title, width: plot.width - 2 * Self.padding)
    let top = Self.padding + Self.lineHeight * Double(titleLines.count) + 26
    let right = plot.width - Self.padding - 6
    // The labels depend on the frame's height, and that on the labels' width, so two digits are
    // assumed first.
    var left = Self.padding + 30
    var scale = Self.yScale(domain, height: Self.height(domain, width: right - left))
    left = Self.padding + 13 + (scale.ticks.map { Drawing.widthOfText($0.label) }.max() ?? 0)
    let frameHeight = Self.height(domain, width: right - left)
    scale = Self.yScale(domain, height: frameHeight)
    y = scale
    x = Scale(
      .linear, over: [domain.x.lowerBound, domain.x.upperBound],
      tickCount: Int((right - left) / 50), isWidened: false)
    frame = Frame(left: left, top: top, right: right, bottom: top + frameHeight)

    entries = Self.entries(plot)
    let longest = entries.map { Drawing.widthOfText($0.text) }.max() ?? 0
    let room = plot.width - 2 * Self.padding
    legendColumns = max(1, min(entries.count, Int(room / (longest + Self.sampleLength + 26))))
    legendTop = frame.bottom + 56
    let rows = (entries.count + legendColumns - 1) / legendColumns
    height = legendTop + Double(rows) * Self.legendLineHeight
    entryWidth = room / Double(legendColumns)
    self.rows = rows
  }

  private let entryWidth: Double
  private let rows: Int

  /// Both axes have the same scale, unless the frame would be too flat or too high.
  private static func height(_ domain: Surface.Domain, width: Double) -> Double {
    let (x, y) = (domain.x, domain.y)
    let ratio = (y.upperBound - y.lowerBound) / (x.upperBound - x.lowerBound)
    return width * min(max(ratio, 0.4), 1.2)
  }

  private static func yScale(_ domain: Surface.Domain, height: Double) -> Scale {
    Scale(
      .linear, over: [domain.y.lowerBound, domain.y.upperBound], tickCount: Int(height / 40),
      isWidened: false)
  }

  private static func entries(_ plot: ContourPlot) -> [Entry] {
    var entries = plot.paths.enumerated().map {
      Entry(mark: .end($0.offset), text: $0.element.name)
    }
    if !plot.paths.isEmpty { entries.append(Entry(mark: .start, text: "start")) }
    if !plot.surface.minima.isEmpty { entries.append(Entry(mark: .minimum, text: "minimum")) }
    return entries
  }

  func titleBaseline(_ index: Int) -> Drawing.Point {
    .init(x: Self.padding, y: Self.padding + Self.lineHeight * (Double(index) + 0.75))
  }

  /// The left end and middle height of a line of the legend.
  func place(ofEntry index: Int) -> Drawing.Point {
    .init(
      x: Self.padding + 4 + Double(index / rows) * entryWidth,
      y: legendTop + Double(index % rows) * Self.legendLineHeight)
  }

  /// The position of a point of the surface, in pixels.
  func place(_ point: Surface.Point) -> Drawing.Point {
    let x = (point.x - domain.x.lowerBound) / (domain.x.upperBound - domain.x.lowerBound)
    let y = (point.y - domain.y.lowerBound) / (domain.y.upperBound - domain.y.lowerBound)
    return .init(x: frame.left + x * frame.width, y: frame.bottom - y * frame.height)
  }
}

extension Frame {
  var width: Double { right - left }
  var height: Double { bottom - top }

  var corners: [Drawing.Point] {
    [
      .init(x: left, y: top), .init(x: right, y: top), .init(x: right, y: bottom),
      .init(x: left, y: bottom),
    ]
  }
}
