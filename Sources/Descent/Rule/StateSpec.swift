/// A state of a rule: its name, what it has a number for, and what it holds before the first step.
public struct StateSpec: Hashable, Sendable {
  /// What a state holds before the first step.
  public enum Start: Hashable, Sendable {
    /// The same number everywhere.
    case value(Double)
    /// A copy of the parameters, made by the first step before it changes them, whether that step
    /// is then skipped or not. For states of the parameters' shape.
    case parameters
    /// How many numbers a state of that shape has for each tensor, such as its number of rows. No
    /// pass changes it. For states of ``StateShape/tensor``.
    case count(of: StateShape)
    /// A tensor's first size. No pass changes it. For states of ``StateShape/tensor``.
    case firstSize
    /// The product of a tensor's other sizes, likewise.
    case otherSizes

    /// The number that a tensor of these sizes begins with; nil where it does not depend on them.
    func number(of shape: [Int]) -> Float? {
      switch self {
      case .value, .parameters: nil
      case .count(let other): Float(other.count(of: shape))
      case .firstSize: Float(shape.first ?? 1)
      case .otherSizes: Float(StateShape.parameter.count(of: Array(shape.dropFirst())))
      }
    }
  }

  /// The state's name in files and for ``Optimizer/state(_:of:)``. No other state of the rule has
  /// it.
  public let name: String
  /// What it holds before the first step.
  public let start: Start
  /// What it has a number for.
  public let shape: StateShape
  /// Whether it is kept from step to step. What is not kept is memory of a step's passes: no part
  /// of ``UpdateRule/stateNames`` or of a file.
  public let isSaved: Bool

  /// A state that begins with a number.
  public init(
    _ name: String, _ shape: StateShape = .parameter, startingAt value: Double = 0,
    isSaved: Bool = true
  ) {
    self.init(name, shape, start: .value(value), isSaved: isSaved)
  }

  /// A state with any start.
  public init(
    _ name: String, _ shape: StateShape = .parameter, start: Start, isSaved: Bool = true
  ) {
    (self.name, self.shape, self.start, self.isSaved) = (name, shape, start, isSaved)
  }

  /// The number that it begins with everywhere; 0 where it begins with something else.
  var initialValue: Double {
    if case .value(let value) = start { value } else { 0 }
  }
}

/// A number that a rule keeps from step to step: its name in files, and its value before the first
/// step.
public struct HistoryValue: Hashable, Sendable {
  /// No other value of the rule's history has it.
  public let name: String
  /// Before the first step.
  public let start: Double

  /// A value that begins with `start`.
  public init(_ name: String, startingAt start: Double = 0) {
    (self.name, self.start) = (name, start)
  }
}

extension UpdateRule {
  /// The states that are kept from step to step by name, in the kernel's order.
  public var stateNames: [String] { states.filter(\.isSaved).map(\.name) }

  /// What a state holds before the first step; 0 for a state that does not begin with one number,
  /// and for a name that the rule does not have.
  public func initialValue(ofState name: String) -> Double {
    states.first { $0.name == name }?.initialValue ?? 0
  }

  /// A state of the parameters' shape as it is before the first step: its number for each
  /// parameter, or a copy of them. 0 for a name that the rule does not have.
  public func initialState<T: BinaryFloatingPoint>(_ name: String, parameters: [T]) -> [T] {
    if states.contains(where: { $0.name == name && $0.start == .parameters }) { return parameters }
    return Array(repeating: T(initialValue(ofState: name)), count: parameters.count)
  }
}
