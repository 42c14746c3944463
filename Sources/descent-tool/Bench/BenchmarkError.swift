/// What could not be measured on a device, which is then left out, while the others go on.
struct BenchmarkFailure: Error, Equatable, CustomStringConvertible {
  let device: String
  /// nil where the device itself, or its ceiling, could not be.
  var rule: String?
  /// Elements of the vectors; nil before there were any.
  var count: Int?
  let error: String

  var description: String {
    let rule = rule.map { "\($0) on " } ?? ""
    let count = count.map { " at \($0) elements" } ?? ""
    return "\(rule)\(device)\(count) failed, and was measured no further: \(error)"
  }
}

extension BenchmarkFailure: Encodable {
  private enum CodingKeys: String, CodingKey { case device, rule, count, error }

  /// Every key, absent values as null.
  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(device, forKey: .device)
    try values.encode(rule, forKey: .rule)
    try values.encode(count, forKey: .count)
    try values.encode(error, forKey: .error)
  }
}

/// Why a measurement cannot be made or cannot be trusted.
enum BenchmarkError: Error, Equatable, CustomStringConvertible {
  /// There is not enough memory, and where.
  case memory(String)
  /// The system refused that many threads.
  case noThreads(Int)
  /// A vector does not hold what the steps should have made of it.
  case wrong(vector: String, on: String, index: Int, found: Float, expected: Float)
  /// A file of tensors that cannot be read as one.
  case layout(file: String, reason: String)

  var description: String {
    switch self {
    case .memory(let what): what
    case .noThreads(let count): "the system refused \(count) threads"
    case .wrong(let vector, let device, let index, let found, let expected):
      "wrong numbers after timing: \(vector) on \(device) has \(found) at \(index), not \(expected)"
    case .layout(let file, let reason): "\(file): \(reason)"
    }
  }
}
