import ArgumentParser
import Descent
import Foundation

/// The command `descent`. Exit status 0: all of it is done; 1: a part of it failed; 2: it was
/// called wrongly.
@main
struct DescentCommand: ParsableCommand {
  static let version = descentVersion

  static let configuration = CommandConfiguration(
    commandName: "descent",
    abstract: "Optimizers on this processor and on OpenCL devices, with the same bits on both.",
    version: version,
    subcommands: [
      DevicesCommand.self, TrainCommand.self, VerifyCommand.self, FigureCommand.self,
      RaceCommand.self, BenchCommand.self, TuneCommand.self, CheckpointCommand.self,
      PeerCommand.self, MemoryCommand.self,
    ])

  static func main() { Foundation.exit(status(of: nil)) }

  /// Runs a command line, this process's unless given.
  ///
  /// - Returns: the exit status; 1 also where standard output could not be written.
  static func status(of arguments: [String]?) -> Int32 {
    Console.reserveStandardStreams()
    var result: Int32 = 0
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch {
      result = status(for: error)
      let message = fullMessage(for: error)
      if result != 0 {
        tell(message)
      } else {
        // Help and the version are no errors.
        do {
          try Console().print(message)
        } catch {
          tell("Error: \(error)")
          result = 1
        }
      }
    }
    return result
  }

  private static func tell(_ message: String) {
    if message.isEmpty { return }
    Console.writeToStandardError(message.escapedForTerminal + "\n")
  }

  static func status(for error: any Error) -> Int32 {
    let code = exitCode(for: error)
    return code == .validationFailure ? 2 : code.rawValue
  }
}

/// `--json`, which every subcommand has.
struct JSONOption: ParsableArguments {
  @Option(
    name: .customLong("json"),
    help: ArgumentHelp("Write the results as JSON, to standard output with -.", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var file: String?

  /// Where words for people go.
  var console: Console { Console(json: file) }

  func write<Result: Encodable>(_ results: [Result], of command: String) throws {
    guard let file else { return }
    try JSONOutput(destination: file, command: command, version: DescentCommand.version)
      .write(results)
  }
}
