import Foundation

/// A file that a command writes for people: a drawing, a report.
struct OutputFile {
  let path: String

  /// Writes the text as a whole: readers find the old file or the new one.
  ///
  /// - Throws: ``Failure`` with what the operating system said.
  func write(_ text: String) throws {
    do {
      try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw Failure(path: path, reason: error.systemReason)
    }
  }

  struct Failure: Error, Equatable, CustomStringConvertible {
    let path: String
    let reason: String
    var description: String { "cannot write \(path): \(reason)" }
  }
}
