import Foundation
import Training

/// A command's results for other programs, the output of `--json`.
///
/// The document is `{"command": …, "results": […], "version": …}`, indented, with sorted keys.
struct JSONOutput: Sendable {
  /// The destination that means standard output.
  static let standardOutput = "-"

  /// A file's path, or ``standardOutput``.
  let destination: String
  let command: String
  let version: String

  /// Writes the document as ``OutputFile`` does, or throws an ``OutputError`` or the encoder's
  /// error.
  func write<Result: Encodable>(_ results: [Result]) throws {
    let (data, content) = (try document(results), "the results")
    guard destination == Self.standardOutput else {
      return try OutputFile(path: destination, content: content).write(data)
    }
    try Console.writeToStandardOutput(data, content: content)
  }

  /// The document alone.
  func document<Result: Encodable>(_ results: [Result]) throws -> Data {
    let document = Document(command: command, results: results, version: version)
    let data = try JSONEncoder.anyNumber([.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
      .encode(document)
    // Controls can only be in strings, and a terminal obeys those that JSON need not escape, too.
    return Data((String(decoding: data, as: UTF8.self).escapedForJSON + "\n").utf8)
  }

  private struct Document<Result: Encodable>: Encodable {
    var command: String
    var results: [Result]
    var version: String
  }
}
