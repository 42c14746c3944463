/// Several contour plots under one title, two beside each other: paths that would be too many for
/// one plot. The same input gives the same bytes.
package struct ContourSheet: Sendable {
  /// What the sheet shows.
  var title: String
  /// The same for readers who cannot see it.
  var description: String
  /// The plots in rows of two, each with its own title.
  var plots: [ContourPlot]

  package init(title: String, description: String, plots: [ContourPlot]) {
    (self.title, self.description, self.plots) = (title, description, plots)
  }

  private static let (padding, gap, titleHeight, columns) = (12.0, 16.0, 28.0, 2)

  /// The sheet as an SVG document.
  package func svg() -> String {
    let drawings = plots.map { $0.drawing() }
    let width = drawings.map(\.width).max() ?? 0
    let rows = stride(from: 0, to: drawings.count, by: Self.columns).map {
      drawings[$0..<min($0 + Self.columns, drawings.count)]
    }
    var tops: [Double] = []
    var bottom = Self.titleHeight
    for row in rows {
      tops.append(bottom)
      bottom += (row.map(\.height).max() ?? 0) + Self.gap
    }
    let columns = Double(min(Self.columns, max(1, drawings.count)))
    var sheet = Drawing(
      width: columns * width + (columns - 1) * Self.gap, height: bottom, title: title,
      description: description)
    sheet.style("title", "font-weight:600")
    sheet.text(title, at: .init(x: Self.padding, y: Self.titleHeight - 8), class: "title")
    for (row, top) in zip(rows, tops) {
      for (column, drawing) in row.enumerated() {
        sheet.embed(drawing, at: .init(x: Double(column) * (width + Self.gap), y: top))
      }
    }
    return sheet.svg
  }
}
