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
