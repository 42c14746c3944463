import Descent

/// The reason why a file is not a data set, as one sentence that begins with the file and the line.
package struct DatasetError: Error, Equatable, CustomStringConvertible {
  package enum Problem: Equatable, Sendable {
    case noSuchFile
    case unreadable(String)
    case compressed
    case notUTF8
    case empty
    case onlyHeader
    case noFeatures
    case misplacedQuote
    case openQuote
    case tooManyMarks
    case tooManyColumns
    case columns(expected: Int, found: Int)
    case notNumber(column: Int, found: String)
    case notFinite(column: Int, found: String)
    case noClass
    case oneClass(String)
    case oneExample(class: String)
  }

  package var file: String
  /// The line in the file, from 1, if the problem is in one.
  package var line: Int?
  package var problem: Problem

  package var description: String { file + (line.map { ":\($0)" } ?? "") + ": " + sentence }

  private var sentence: String {
    switch problem {
    case .noSuchFile: "no such file"
    case .unreadable(let reason): "cannot be read: \(reason)"
    case .compressed: "the file is compressed; unpack it first, with gunzip for example"
    case .notUTF8: "the file is not text in UTF-8"
    case .empty: "the file is empty"
    case .onlyHeader: "the file has a header and no examples"
    case .noFeatures: "found 1 column; at least two are needed, a feature and the class"
    case .misplacedQuote: "a quotation mark stands where none may; inside quotes it is doubled"
    case .openQuote: "a quotation mark is opened and never closed"
    case .tooManyMarks:
      "more than \(String.maximumCombiningMarks) combining marks in a row, which no text has"
    case .tooManyColumns: "more columns than \(Dataset.mostColumns), which are allowed"
    case .columns(let expected, let found): "expected \(expected) columns, found \(found)"
    case .notNumber(let column, let found):
      "column \(column) is \(quoted(found)), expected a number"
    case .notFinite(let column, let found):
      "column \(column) is \(quoted(found)), expected a finite number of 32 bits"
    case .noClass: "the class in the last column is missing"
    case .oneClass(let name):
      "every example has the class \(quoted(name)); at least two classes are needed"
    case .oneExample(let name):
      "the class \(quoted(name)) has one example; "
        + "at least two are needed, one to train on and one to test"
    }
  }

  /// The text in quotes, on one line, and truncated to 40 characters.
  private func quoted(_ text: String) -> String {
    let line = String(text.prefix(40).map { $0.isNewline ? " " : $0 })
    return "\"" + line + (text.count > 40 ? "…" : "") + "\""
  }
}
