import Descent
import Foundation
import Training

/// Answers requests: a line each, `{"error": …}` where one cannot be met. Nothing runs between
/// them.
struct PeerSession {
  private var runs: [String: any PeerRun] = [:]

  /// What the answers hold; a key is there where it has a meaning.
  struct Answer: Codable {
    var error: String?
    /// After `create`.
    var engine: String?
    var count: Int?
    /// After `run`: see ``PeerTimes``.
    var seconds: Double?
    var deviceSeconds: Double?
    /// After `sample`: every stride-th parameter from the first on, and Σ|x| over all of them.
    var values: [Float]?
    var sumOfMagnitudes: Double?
  }

  mutating func answer(_ line: String) -> Answer {
    do {
      return try answer(JSONDecoder().decode(PeerRequest.self, from: Data(line.utf8)))
    } catch {
      return Answer(error: "\(error)")
    }
  }

  private mutating func answer(_ request: PeerRequest) throws -> Answer {
    switch request {
    case .create(let id, let peerCase):
      guard runs[id] == nil else { throw PeerError.takenID(id) }
      let run = try Self.make(peerCase)
      runs[id] = run
      return Answer(engine: run.optimizer.engineName, count: peerCase.layout.count)
    case .run(let id, let lead, let steps):
      let times = try run(id).run(lead: lead, steps: steps)
      return Answer(seconds: times.seconds, deviceSeconds: times.deviceSeconds)
    case .sample(let id, let stride):
      let parameters = try run(id).parameters()
      return Answer(
        values: Swift.stride(from: 0, to: parameters.count, by: stride).map { parameters[$0] },
        sumOfMagnitudes: parameters.reduce(0) { $0 + Double($1.magnitude) })
    case .drop(let id):
      _ = try run(id)
      runs[id] = nil
      return Answer()
    }
  }

  private func run(_ id: String) throws -> any PeerRun {
    guard let run = runs[id] else { throw PeerError.unknownID(id, known: Array(runs.keys)) }
    return run
  }

  private static func make(_ peerCase: PeerCase) throws -> any PeerRun {
    let engines = try SelectedEngine.parse(peerCase.device)
    guard engines.count == 1 else {
      throw PeerError.number("the number of devices", engines.count, "1")
    }
    #if OpenCL
    if let device = engines[0].device { return try DevicePeerRun(peerCase, on: device) }
    #endif
    if peerCase.deviceTimes { throw PeerError.noDeviceTimes(engines[0].name) }
    let isCPU = engines[0].name == "cpu"
    return try HostPeerRun(
      peerCase, on: isCPU ? .cpu(threads: peerCase.threads) : engines[0].choice)
  }

  /// A line of standard output, at once.
  static func write(_ answer: Answer) throws {
    let line = try JSONEncoder.anyNumber().encode(answer) + Data("\n".utf8)
    try Console.writeToStandardOutput(line)
  }
}
