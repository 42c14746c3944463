import Descent
import Foundation
import Safetensors
import Training

/// A file that a command writes: results, a drawing, a report.
struct OutputFile {
  let path: String
  /// What the file is to hold, for errors: `the results`.
  var content: String?

  func write(_ text: String) throws { try write(Data(text.utf8)) }

  /// Writes all of it.
  ///
  /// A file is replaced as a whole: readers find the old one or the new one, and the old one stays
  /// if writing fails. A symbolic link is followed. What is not a regular file (a pipe,
  /// `/dev/null`) is written in place, and so is the file that standard output goes to.
  ///
  /// - Throws: ``OutputError`` with what the operating system said.
  func write(_ data: Data) throws {
    do {
      var status = stat()
      if stat(path, &status) != 0 {
        guard errno == ENOENT else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        return try replace(data)
      }
      switch status.st_mode & S_IFMT {
      case S_IFREG where Self.isStandardOutput(status):
        try FileHandle.standardOutput.write(contentsOf: data)
      case S_IFREG: try replace(data)
      case S_IFDIR: throw POSIXError(.EISDIR)
      // Renaming over a device would take it away from everyone else.
      default: try FileHandle(forWritingTo: URL(filePath: path)).write(contentsOf: data)
      }
    } catch {
      throw OutputError(path: path, content: content, reason: error.systemReason)
    }
  }

  /// Writes a temporary file next to the one that the path resolves to, which need not exist, and
  /// renames it.
  private func replace(_ data: Data) throws {
    try data.write(to: URL(filePath: resolved(path)), options: .atomic)
  }

  private static func isStandardOutput(_ status: stat) -> Bool {
    var output = stat()
    return fstat(STDOUT_FILENO, &output) == 0 && output.st_dev == status.st_dev
      && output.st_ino == status.st_ino
  }
}

/// What a command should leave could not be written.
struct OutputError: Error, Equatable, CustomStringConvertible {
  let path: String
  var content: String?
  let reason: String

  var description: String { "cannot write \(content.map { "\($0) to " } ?? "")\(path): \(reason)" }
}
