import SwiftCSV

/// A row of a CSV file that is not blank, with the line it starts at, counted from 1.
struct CSVRow: Equatable, Sendable {
  var line: Int
  /// The cells, without white space at their ends.
  var cells: [String]

  /// Appends all rows to the builder, with as many cells as they have in the file. Each row is
  /// appended one row late: whether the last one is complete is known only at the end.
  ///
  /// SwiftCSV reads the rows one by one here, since `CSV.rows` pads short rows and keeps all of
  /// them. This relies on its behaviour: a blank line is a row with one empty cell, a newline in
  /// quotes stays in its cell, and a byte order mark is dropped.
  static func read(
    _ text: String, file: String, into builder: DatasetBuilder
  ) throws(DatasetError) {
    // At the end of the text, and only there, SwiftCSV drops an empty last cell.
    let text = text.last?.isNewline == false ? text + "\n" : text
    var last: CSVRow?
    var start = 1
    var nextStart = 1
    do {
      let csv = try CSV<Enumerated>(
        string: text, delimiter: .comma, loadColumns: false, rowLimit: 0)
      try csv.enumerateAsArray(rowLimit: nil) { cells in
        start = nextStart
        nextStart += 1 + cells.reduce(0) { $0 + $1.count(where: \.isNewline) }
        if let row = last { builder.append(row) }
        // The cells are not copied if nothing changes: a row may be as long as the file.
        let cells = cells.contains(where: isPadded) ? cells.map(trimmed) : cells
        last = cells == [""] ? nil : CSVRow(line: start, cells: cells)
      }
    } catch {
      try builder.check()
      throw DatasetError(file: file, line: nextStart, problem: .misplacedQuote)
    }
    try builder.check()
    // An open quote consumes the rest of the text, the last newline included, without an error.
    guard nextStart - 1 <= text.count(where: \.isNewline) else {
      throw DatasetError(file: file, line: start, problem: .openQuote)
    }
    if let row = last { builder.append(row) }
    try builder.check()
  }

  /// Appends the numbers in all cells but the last.
  func appendFeatures(
    to features: inout [Float], columnCount: Int, file: String
  ) throws(DatasetError) {
    guard cells.count == columnCount else {
      throw DatasetError(
        file: file, line: line, problem: .columns(expected: columnCount, found: cells.count))
    }
    for (index, cell) in cells.dropLast().enumerated() {
      guard let number = Float(cell) else {
        throw DatasetError(
          file: file, line: line, problem: .notNumber(column: index + 1, found: cell))
      }
      guard number.isFinite else {
        throw DatasetError(
          file: file, line: line, problem: .notFinite(column: index + 1, found: cell))
      }
      features.append(number)
    }
    if cells[columnCount - 1].isEmpty {
      throw DatasetError(file: file, line: line, problem: .noClass)
    }
  }

  private static func isPadded(_ cell: String) -> Bool {
    cell.first?.isWhitespace == true || cell.last?.isWhitespace == true
  }

  private static func trimmed(_ cell: String) -> String {
    guard isPadded(cell) else { return cell }
    var rest = cell[...].drop(while: \.isWhitespace)
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }
}
