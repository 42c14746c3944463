import Foundation

/// A command's results for other programs, as `--json` asks for them.
///
/// The document is `{"command": …, "results": […], "version": …}`, indented, with sorted keys.
/// Numbers that JSON cannot hold are the strings `"nan"`, `"inf"` and `"-inf"`.
struct JSONOutput: Sendable {
  /// The destination that means standard output.
  static let standardOutput = "-"

  /// A file's path, or ``standardOutput``.
  let destination: String
  let command: String
  let version: String

  /// Writes the document, or throws a ``JSONOutputError`` or the encoder's error.
  ///
  /// A file is replaced as a whole: readers find the old document or the new one, and the old one
  /// stays if writing fails. What is not a regular file (a pipe, `/dev/null`) is written in place.
  func write<Result: Encodable>(_ results: [Result]) throws {
    let data = try document(results)
    do {
      if destination == Self.standardOutput {
        try FileHandle.standardOutput.write(contentsOf: data)
      } else {
        try Self.write(data, to: URL(fileURLWithPath: destination).resolvingSymlinksInPath())
      }
    } catch {
      throw JSONOutputError(destination: destination, reason: error.systemReason)
    }
  }

  private static func write(_ data: Data, to file: URL) throws {
    let attributes = try? FileManager.default.attributesOfItem(atPath: file.path)
    let type = attributes?[.type] as? FileAttributeType
    switch type {
    case nil, .typeRegular: try data.write(to: file, options: .atomic)
    case .typeDirectory: throw POSIXError(.EISDIR)
    // Renaming over a device would take it away from everyone else.
    default: try FileHandle(forWritingTo: file).write(contentsOf: data)
    }
  }

  /// The document alone.
  func document<Result: Encodable>(_ results: [Result]) throws -> Data {
    let document = Document(command: command, results: results, version: version)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try encoder.encode(document) + Data("\n".utf8)
  }

  private struct Document<Result: Encodable>: Encodable {
    var command: String
    var results: [Result]
    var version: String
  }
}

/// The results could not be written.
struct JSONOutputError: Error, Equatable, CustomStringConvertible {
  var destination: String
  var reason: String

  var description: String {
    let place = destination == JSONOutput.standardOutput ? "standard output" : destination
    return "cannot write the results to \(place): \(reason)"
  }
}
