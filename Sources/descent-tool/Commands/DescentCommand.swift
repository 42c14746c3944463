import ArgumentParser
import Descent
import Foundation

/// The command `descent`. Exit status 0: done; 1: it failed; 2: it was called wrongly.
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

  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      guard status(for: error) == 2 else { exit(withError: error) }
      Console.writeToStandardError(fullMessage(for: error) + "\n")
      Foundation.exit(2)
    }
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
