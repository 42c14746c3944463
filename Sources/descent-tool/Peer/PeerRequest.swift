import Descent

/// The request of a line of standard input: the key `request` names it, the others are its
/// arguments.
///
///     {"request": "create", "id": "a", "rule": "adam", "hyperparameters": {"learningRate": 0.001},
///      "device": "cpu", "threads": 2, "shapes": [[1000], [64, 3]]}
///     {"request": "run", "id": "a", "lead": 1, "steps": 10}
///     {"request": "sample", "id": "a", "stride": 1000}
///     {"request": "drop", "id": "a"}
///
/// `threads` is for the CPU engine; without it the engine decides. `"deviceTimes": true` has an
/// OpenCL queue note the times of its commands. `lead` steps are taken before the clock starts.
enum PeerRequest: Decodable {
  case create(id: String, PeerCase)
  case run(id: String, lead: Int, steps: Int)
  case sample(id: String, stride: Int)
  case drop(id: String)

  enum Key: String, CodingKey {
    case request, id, rule, hyperparameters, device, threads, shapes, deviceTimes
    case lead, steps, stride
  }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    let id = try values.decode(String.self, forKey: .id)
    switch try values.decode(String.self, forKey: .request) {
    case "create": self = .create(id: id, try PeerCase(from: values))
    case "run":
      let lead = try values.decodeIfPresent(Int.self, forKey: .lead) ?? 0
      let steps = try values.decode(Int.self, forKey: .steps)
      guard lead >= 0 else { throw PeerError.number("lead", lead, "0 or more") }
      guard steps >= 1 else { throw PeerError.number("steps", steps, "1 or more") }
      self = .run(id: id, lead: lead, steps: steps)
    case "sample":
      let stride = try values.decode(Int.self, forKey: .stride)
      guard stride >= 1 else { throw PeerError.number("stride", stride, "1 or more") }
      self = .sample(id: id, stride: stride)
    case "drop": self = .drop(id: id)
    case let name: throw PeerError.unknownRequest(name)
    }
  }
}

/// A rule, a model and where it runs.
struct PeerCase {
  let rule: any UpdateRule
  let layout: ParameterLayout
  let device: String
  let threads: Int?
  let deviceTimes: Bool

  init(from values: KeyedDecodingContainer<PeerRequest.Key>) throws {
    let type = try Rules.named(values.decode(String.self, forKey: .rule))
    rule = try Self.rule(type, from: values)
    var layout = ParameterLayout()
    for (index, shape) in try values.decode([[Int]].self, forKey: .shapes).enumerated() {
      try layout.append("\(index)", shape: shape)
    }
    self.layout = layout
    device = try values.decode(String.self, forKey: .device)
    threads = try values.decodeIfPresent(Int.self, forKey: .threads)
    deviceTimes = try values.decodeIfPresent(Bool.self, forKey: .deviceTimes) ?? false
  }

  private static func rule<Rule: UpdateRule>(
    _ type: Rule.Type, from values: KeyedDecodingContainer<PeerRequest.Key>
  ) throws -> any UpdateRule {
    try values.decodeIfPresent(Rule.self, forKey: .hyperparameters) ?? Rule()
  }
}

enum PeerError: Error, CustomStringConvertible {
  case unknownRequest(String)
  case unknownID(String, known: [String])
  case takenID(String)
  case number(String, Int, String)
  case noDeviceTimes(String)

  var description: String {
    switch self {
    case .unknownRequest(let name):
      "there is no request \"\(name)\"; there are create, run, sample, drop"
    case .unknownID(let id, let known):
      "there is no case \"\(id)\"; there are "
        + (known.isEmpty ? "none" : known.sorted().joined(separator: ", "))
    case .takenID(let id): "there is a case \"\(id)\" already; drop it first"
    case .number(let name, let value, let allowed): "\(name) is \(value); allowed is \(allowed)"
    case .noDeviceTimes(let device): "deviceTimes needs an OpenCL device, not \(device)"
    }
  }
}
