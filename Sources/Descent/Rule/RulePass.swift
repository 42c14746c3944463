/// What a rule keeps a number for, in a state or in a sum.
public enum StateShape: String, Hashable, Codable, Sendable, CaseIterable {
  /// Each parameter.
  case parameter
  /// Each row of a tensor: all sizes but the last, in row-major order. A vector is one row.
  case rows
  /// Each column of a tensor: its last size.
  case columns
  /// Each tensor.
  case tensor
  /// All tensors that follow the rule together. Every tensor then has the same number.
  case model

  /// How many numbers a tensor has.
  ///
  /// - Parameter shape: the tensor's sizes, row-major.
  public func count(of shape: [Int]) -> Int {
    // The product of the other sizes may be more than an Int holds.
    if shape.contains(0) { return 0 }
    return switch self {
    case .parameter: shape.reduce(1, *)
    case .columns: shape.last ?? 1
    case .rows: shape.dropLast().reduce(1, *)
    case .tensor, .model: 1
    }
  }

  /// Whether a pass over the numbers of `other` has one of these for each of them.
  func covers(_ other: StateShape) -> Bool {
    switch self {
    case .parameter: false
    case .rows, .columns: other == .parameter
    case .tensor: [.parameter, .rows, .columns].contains(other)
    case .model: other != .model
    }
  }
}

/// A sum of the terms that a pass computes from every element.
///
/// Every engine adds in one order: 256 accumulators for up to 16,384 terms, which are scaled by a
/// power of two so that finite terms do not overflow, and these sums in pairs of Floats.
public struct RuleSum: Hashable, Sendable {
  /// How the terms t are reduced. If a term is not finite, a norm is the greatest magnitude, ∞ or
  /// NaN, and a sum is NaN.
  public enum Reduction: Hashable, Sendable {
    /// √Σt².
    case norm
    /// Σt.
    case sum
    /// max |t|.
    case largest
  }

  /// How the terms are reduced.
  public let reduction: Reduction
  /// The state that takes the results. Its shape, which is not the parameters', says what is summed
  /// over.
  public let state: String
  /// Which of the pass's terms is summed; nil for the one at the sum's own place.
  public let term: Int?

  /// A sum over what `state` has a number for.
  public init(_ reduction: Reduction, into state: String, ofTerm term: Int? = nil) {
    (self.reduction, self.state, self.term) = (reduction, state, term)
  }
}

/// One pass of a rule's step. Most rules have one, over the elements.
///
/// Passes run in the order of ``UpdateRule/passes``, each with a compiled variant of the rule's
/// file. Every pass over elements sees the gradient prepared: scaled, clipped, with coupled decay.
public struct RulePass: Hashable, Sendable {
  /// What a pass does.
  public enum Work: Hashable, Sendable {
    /// Updates the parameters by the rule's step, and the states of their shape. The last pass of a
    /// rule is one of these, and the only one.
    case elements
    /// Computes terms from every element and sums them: one for each sum, unless sums share a term.
    /// It may update states of the parameters' shape.
    case sums([RuleSum])
    /// Updates the states of a shape, number by number.
    case numbers(StateShape)
    /// Iterates a state of the parameters' shape, tensor by tensor, divided first by the tensor's
    /// number in another state. A tensor is a matrix: its first size by the product of the others.
    /// Tensors of fewer sizes are refused.
    case iteration(NewtonSchulz, of: String, dividedBy: String)
  }

  /// A vector of the parameters' shape that a pass reads.
  public enum Input: Hashable, Sendable {
    /// The parameters.
    case parameters
    /// The gradients, prepared.
    case gradients
    /// A state, by its name.
    case state(String)
  }

  /// The compiled variant: a name of `Kernels/rules/list.inc`; empty for an iteration, whose
  /// kernel no rule has of its own.
  public let kernel: String
  /// What it does.
  public let work: Work
  /// Whether it changes states of the parameters' shape.
  public let writesStates: Bool

  /// The vectors that the kernel's result depends on; nil for all of them. What a pass writes it
  /// reads.
  public let inputs: Set<Input>?

  /// What it was compiled with.
  package var library = KernelLibrary.builtIn

  /// A pass; one over numbers does not see states of the parameters' shape.
  ///
  /// - Parameters:
  ///   - work: what it does.
  ///   - kernel: the compiled variant.
  ///   - inputs: the vectors that it reads, if these are not all; the others are not loaded.
  ///   - writesStates: whether it changes states of the parameters' shape.
  public init(
    _ work: Work, kernel: String, reading inputs: Set<Input>? = nil, writesStates: Bool = true
  ) {
    (self.work, self.kernel, self.writesStates) = (work, kernel, writesStates)
    self.inputs = inputs
  }

  /// A pass over matrices.
  public init(_ iteration: NewtonSchulz, of state: String, dividedBy number: String) {
    self.init(.iteration(iteration, of: state, dividedBy: number), kernel: "")
  }

  /// Its sums.
  var sums: [RuleSum] { if case .sums(let sums) = work { sums } else { [] } }

  /// The term of each sum, by its place among the pass's terms.
  var terms: [Int] { sums.enumerated().map { $1.term ?? $0 } }
  /// How many terms it computes.
  var termCount: Int { (terms.max() ?? -1) + 1 }

  /// What it has an item for.
  var shape: StateShape {
    switch work {
    case .elements, .sums: .parameter
    case .numbers(let shape): shape
    case .iteration: .tensor
    }
  }

  /// Whether it is over matrices.
  var isIteration: Bool { if case .iteration = work { true } else { false } }
}
