import Foundation
import Rainbow
import Training

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

  /// Prints a line, or several, with control characters written out.
  ///
  /// - Parameter title: what to set off in front of the text.
  /// - Throws: ``OutputError`` where standard output is full or closed.
  func print(title: String = "", _ text: String = "") throws {
    try write((title.isEmpty ? "" : bold(title.escapedForTerminal)) + text.escapedForTerminal)
  }

  func print(_ table: Table) throws { try write(table.rendered(heading: bold)) }

  private func write(_ text: String) throws {
    if usesStandardError { return Console.writeToStandardError(text + "\n") }
    try Console.writeToStandardOutput(Data((text + "\n").utf8))
  }

  /// The text in bold where a terminal shows it.
  ///
  /// Rainbow tests standard output and NO_COLOR, so words on standard error stay plain while
  /// standard output is redirected.
  private func bold(_ text: String) -> String { isTerminal ? text.bold : text }

  /// Whether the descriptor is a terminal that understands control codes.
  static func isTerminal(_ descriptor: Int32) -> Bool {
    isatty(descriptor) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  }

  /// A closed standard error is not an error: the text is dropped.
  static func writeToStandardError(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }

  /// Writes at once.
  ///
  /// - Parameter content: what it is, for errors.
  /// - Throws: ``OutputError``.
  static func writeToStandardOutput(_ data: Data, content: String = "text") throws {
    do {
      try FileHandle.standardOutput.write(contentsOf: data)
    } catch {
      throw OutputError(path: "standard output", content: content, reason: error.systemReason)
    }
  }

  /// Sees to it that no file is opened under the number of a standard stream that is closed, where
  /// words would then go. Writing to such a stream goes on to fail.
  static func reserveStandardStreams() {
    for stream in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
    where fcntl(stream, F_GETFD) < 0 {
      // The lowest number that is free.
      _ = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}
