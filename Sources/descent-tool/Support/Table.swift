import Rainbow

/// A table in plain text: a line of titles, a rule under each, and a line per row.
///
/// Columns are as wide as their widest cell, counted in characters as a reader sees them: styling
/// codes take no room. Letters that a terminal draws two columns wide count as one.
struct Table: Sendable {
  enum Alignment: Sendable { case left, right }

  struct Column: Sendable {
    var title: String
    var alignment: Alignment

    /// A column for words.
    static func left(_ title: String) -> Column { Column(title: title, alignment: .left) }
    /// A column for numbers.
    static func right(_ title: String) -> Column { Column(title: title, alignment: .right) }
  }

  let columns: [Column]
  private(set) var rows: [[String]] = []

  init(_ columns: Column...) { self.columns = columns }

  init(_ columns: [Column]) { self.columns = columns }

  /// Adds a row, which must have a cell for each column.
  mutating func append(_ cells: String...) { append(cells) }

  /// Adds a row, which must have a cell for each column. Control characters are written out.
  mutating func append(_ cells: [String]) {
    precondition(cells.count == columns.count, "a row of a table has a cell for each column")
    rows.append(cells.map(\.escapedAsLine))
  }

  /// The table's lines, without a newline after the last and without blanks at a line's end.
  ///
  /// - Parameter heading: how a title is set off, such as ``Console/bold(_:)``.
  func rendered(heading: (String) -> String = { $0 }) -> String {
    let widths = columns.indices.map { index in
      rows.reduce(visibleCount(columns[index].title)) { max($0, visibleCount($1[index])) }
    }
    func line(_ cells: [String]) -> String {
      var line = ""
      for (index, cell) in cells.enumerated() {
        let padding = String(repeating: " ", count: widths[index] - visibleCount(cell))
        if index > 0 { line += "  " }
        line += columns[index].alignment == .left ? cell + padding : padding + cell
      }
      while line.last == " " { line.removeLast() }
      return line
    }
    let titles = line(columns.map { heading($0.title) })
    let rule = line(widths.map { String(repeating: "─", count: $0) })
    return ([titles, rule] + rows.map(line)).joined(separator: "\n")
  }

  private func visibleCount(_ cell: String) -> Int { cell.raw.count }
}
