internal import Safetensors

/// Why a checkpoint does not fit, found before anything is touched. What is wrong with the file
/// itself is a ``/Safetensors/SafetensorsError``.
public enum CheckpointError: Error, Equatable, Sendable {
  /// A file without an optimizer's state, such as a model's.
  case noOptimizer(file: String)
  /// A file in a version of the format that this package does not support.
  case version(file: String, found: String)
  /// A metadata entry with an invalid value.
  case metadata(file: String, key: String, reason: String)
  /// The states are another rule's, or mean something else.
  case rule(found: String, expected: String)
  /// A tensor that is missing, of another shape or type, or not expected.
  case tensor(name: String, reason: String)
  /// A group whose tensors come from groups with other settings or step counts.
  case group(name: String, reason: String)
  /// A checkpoint that another library cannot go on from, or this one from another's.
  case interchange(String)
}

extension CheckpointError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .noOptimizer(let file):
      "\(file): there is no optimizer's state in it"
    case .version(let file, let found):
      "\(file): an optimizer's state of version \(excerpt(found)); allowed are \"1\" and \"2\""
    case .metadata(let file, let key, let reason):
      "\(file): metadata \(excerpt(key)): \(reason)"
    case .rule(let found, let expected):
      "the states are those of \(found); the optimizer's rule is \(expected)"
    case .tensor(let name, let reason):
      "tensor \(excerpt(name)): \(reason)"
    case .group(let name, let reason):
      "group \(excerpt(name)): \(reason)"
    case .interchange(let reason):
      reason
    }
  }
}
