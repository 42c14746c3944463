import Foundation
import Rainbow

/// Where the words for people go.
///
/// That is standard output, unless `--json -` claims it for the results: then standard error.
struct Console: Sendable {
  let usesStandardError: Bool
  /// Whether somebody is looking, so that styling and progress make sense.
  let isTerminal: Bool

  /// - Parameter json: the argument of `--json`, if there is one.
  init(json: String? = nil) {
    usesStandardError = json == JSONOutput.standardOutput
    isTerminal = Console.isTerminal(usesStandardError ? STDERR_FILENO : STDOUT_FILENO)
  }

  func print(_ text: String = "") {
    if usesStandardError {
      Console.writeToStandardError(text + "\n")
    } else {
      Swift.print(text)
    }
  }

  func print(_ table: Table) { print(table.rendered(heading: bold)) }

  /// The text in bold where a terminal shows it.
  ///
  /// Rainbow looks at standard output and at NO_COLOR, so words on standard error stay plain while
  /// standard output is redirected.
  func bold(_ text: String) -> String { isTerminal ? text.bold : text }

  /// Whether the descriptor is a terminal that understands control codes.
  static func isTerminal(_ descriptor: Int32) -> Bool {
    isatty(descriptor) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  }

  /// A closed standard error is nobody's concern: what was to be said there is dropped.
  static func writeToStandardError(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}
