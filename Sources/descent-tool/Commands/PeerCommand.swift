import ArgumentParser

/// Descent's side of Benchmarks/peers, where a program in Python times other libraries in turn with
/// this one.
struct PeerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "peer",
    abstract: "Answer requests to time steps, a line of JSON each, until standard input ends.",
    shouldDisplay: false)

  func run() throws {
    var session = PeerSession()
    while let line = readLine() { try PeerSession.write(session.answer(line)) }
  }
}
