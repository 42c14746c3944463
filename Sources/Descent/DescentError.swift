/// An invalid call. All of these are found before anything is changed, except ``tornStep(_:)``,
/// which reports that something was. Print the error itself: its description is the message, which
/// Foundation's `localizedDescription` does not return.
public enum DescentError: Error, Equatable, Sendable {
  /// A rule's hyper-parameter is not finite or out of its range.
  case hyperparameter(rule: String, name: String, value: Double, allowed: String)
  /// Hyper-parameters, or a hyper-parameter and a setting of the optimizer, that exclude each
  /// other.
  case combination(rule: String, reason: String)
  /// Any other value that is not allowed: an alignment, a number of threads or lanes, a limit of
  /// clipping, a scale, a count of steps, a schedule, a group's number, memory of another context.
  case value(of: String, given: String, allowed: String)
  /// A name that is not known, and those that are.
  case unknown(kind: String, name: String, known: [String])
  /// A state that is needed was not given.
  case missingState(name: String, given: [String])
  /// Something has another length than the layout requires.
  case count(of: String, given: Int, expected: Int)
  /// Two of the vectors share memory.
  case overlap
  /// This machine has no memory for states, a copy of them, or a plan of the step.
  case memory(bytes: Int)
  /// A tensor's shape or name that a layout, or its group's rule, cannot take.
  case layout(name: String, reason: String)
  /// The rule was replaced by one that keeps other states.
  case ruleChanged(from: String, to: String)
  /// Nesterov's momentum is not the `nextMomentum` of the last step.
  case momentumNotAnnounced(announced: Double, given: Double)
  /// A step after ``Optimizer/settle(_:)``: the parameters are no longer the point
  /// that steps update.
  case settled
  /// The whole state was requested while gradients are accumulated, which are not part of it.
  case accumulating(count: Int)
  /// The average of the parameters was requested, but none is kept, or none has begun.
  case noAverage(isKept: Bool)
  /// The call needs a rule or an engine of another kind.
  case unsupported(String)
  /// A step failed after it had begun to write; load a state before going on.
  case tornStep(String)
}

extension DescentError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .hyperparameter(let rule, let name, let value, let allowed):
      "\(rule): \(name) is \(value); allowed is \(allowed)"
    case .combination(let rule, let reason):
      "\(rule): \(reason)"
    case .value(let what, let given, let allowed):
      "\(what) is \(given); allowed is \(allowed)"
    case .unknown(let kind, let name, let known):
      "there is no \(kind) \"\(name)\"; there is "
        + (known.isEmpty ? "none" : known.joined(separator: ", "))
    case .count(let what, let given, let expected):
      "\(what): \(given) given, \(expected) expected"
    case .missingState(let name, let given):
      "the state \"\(name)\" is needed; given are: "
        + (given.isEmpty ? "none" : given.joined(separator: ", "))
    case .overlap:
      "two of the parameters, gradients and states share memory"
    case .memory(let bytes):
      "there is no memory for \(bytes) bytes"
    case .layout(let name, let reason):
      "tensor \"\(name)\": \(reason)"
    case .ruleChanged(let old, let new):
      "the optimizer was made for \(old) and keeps its states; \(new) needs a new optimizer"
    case .momentumNotAnnounced(let announced, let given):
      "nesterov: momentum is \(given), but the last step prepared for \(announced); "
        + "set nextMomentum on the step before the change"
    case .settled:
      "the parameters were settled, so their gradients are no longer taken at the point that steps "
        + "update; reset the optimizer or restore a state before going on"
    case .accumulating(let count):
      "gradients are accumulated (\(count)), which are no part of the state; take the step that they "
        + "are for, or call dropAccumulated(), before the state"
    case .noAverage(let isKept):
      isKept
        ? "the average begins with the first step; there has been none"
        : "no average is kept; set averaging before a step"
    case .unsupported(let what):
      what
    case .tornStep(let reason):
      "an earlier step failed after it had begun to write (\(reason)); "
        + "reset the optimizer or restore a state before going on"
    }
  }
}
