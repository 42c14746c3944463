/// An optimizer's formula with its hyper-parameters, as a plain value: what one step does to one
/// element, given the element's gradient and states.
///
/// The formula is written twice, once in `Kernels/rules` for every device and once in
/// ``reference(_:at:)``. Tests compare the two bit by bit. Everything that depends on the step but
/// not on the element is computed here in `Double` and rounded once.
///
/// A conforming type names a variant that the package has compiled, so the rules are those of this
/// package: ``Rules/all``.
public protocol UpdateRule: Hashable, Codable, Sendable, CustomStringConvertible {
  /// The scalars as the kernel takes them: a structure of `Float`s, field for field the rule
  /// file's.
  associatedtype KernelScalars

  /// The rule's name in files and on the command line: `"adam"`.
  static var name: String { get }

  /// Every hyper-parameter, for validation, coding and lookup by name.
  static var hyperparameters: [Hyperparameter<Self>] { get }

  /// Settings that between them reach every compiled variant and every hyper-parameter. Tests,
  /// `descent verify` and benchmarks run over them.
  static var variants: [RuleVariant] { get }

  /// The rule with its default hyper-parameters.
  init()

  /// η. May change from step to step; nothing is recompiled.
  var learningRate: Double { get set }

  /// λ, the strength of the weight decay.
  var weightDecay: Double { get set }

  /// How weight decay enters, with λ.
  var appliedDecay: WeightDecay { get }

  /// Whether to climb instead: the rule sees −g. Weight decay still shrinks.
  var maximize: Bool { get }

  /// The compiled variant that these hyper-parameters require: a name of `Kernels/rules/list.inc`.
  var kernel: String { get }

  /// The states, in the kernels' order: those of the parameters' shape first.
  var states: [StateSpec] { get }

  /// The passes of a step, in order. By default one over the elements, with ``kernel``. Rules with
  /// the same ``stateMeaning`` have the same passes.
  var passes: [RulePass] { get }

  /// What the states mean. On one optimizer a rule may follow another of its type where the two
  /// mean the same.
  var stateMeaning: String { get }

  /// The numbers that the rule keeps from step to step, each shared by all elements of a group: a
  /// product of past decays, a sum of weights. They are saved with the step counts.
  var history: [HistoryValue] { get }

  /// Where to evaluate the parameters as a step leaves them, or, if not `afterStep`, as they are
  /// before the first one; nil where they are the point to evaluate.
  func evaluationPoint(afterStep: Bool) -> EvaluationPoint?

  /// What such a step would break off if it were skipped, left tensors out or had a frozen group;
  /// nil for rules that allow all of these.
  var unskippable: String? { get }

  /// Why these hyper-parameters exclude each other, if they do.
  var conflict: String? { get }

  /// Throws ``DescentError`` if a hyper-parameter is not finite or out of its range, or if two
  /// exclude each other.
  func validate() throws

  /// Throws ``DescentError`` if this rule cannot take the step after one that `last` took.
  func validate(after last: Self) throws

  /// The scalar arguments of the kernel for step `step`, counted from 1.
  func scalars(at step: Int) -> KernelScalars

  /// The same for a rule with a history, which it moves on by this step. It is called for steps
  /// that may come and for the one that came, so it depends on its arguments and the
  /// hyper-parameters alone.
  func scalars(at step: Int, history: inout [Double]) -> KernelScalars

  /// One pass of a step over some elements in plain Swift, each operation rounded once, in the
  /// kernel's order: ``ReferenceElements/pass`` says which.
  func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int)
}

extension UpdateRule {
  public var stateMeaning: String { kernel }
  public var passes: [RulePass] { [RulePass(.elements, kernel: kernel)] }
  public var history: [HistoryValue] { [] }
  public func evaluationPoint(afterStep: Bool) -> EvaluationPoint? { nil }
  public var unskippable: String? { nil }
  public func scalars(at step: Int, history: inout [Double]) -> KernelScalars { scalars(at: step) }
  public var conflict: String? { nil }
  public func validate(after last: Self) throws {}
}

/// A setting of a rule that represents a compiled variant or the use of a hyper-parameter.
public struct RuleVariant: Sendable, CustomStringConvertible {
  /// What is special about it: `"adam"`, `"adam rootEpsilon"`.
  public let name: String
  /// The rule with these hyper-parameters.
  public let rule: any UpdateRule
  /// The ``Digest`` of parameters and states after 25 pinned steps. It differs between two versions
  /// of the package only where the changelog says so.
  package let digest: UInt64

  /// Give a new variant a digest of 0; the failing test then prints the right one.
  package init(_ name: String, _ rule: any UpdateRule, digest: UInt64) {
    (self.name, self.rule, self.digest) = (name, rule, digest)
  }

  public var description: String { name }
}

/// βᵗ by repeated squaring, so that two machines agree on it; their C libraries' `pow` may not.
func power(_ base: Double, _ exponent: Int) -> Double {
  var (result, square, left) = (1.0, base, exponent)
  while left > 0 {
    if left & 1 == 1 { result *= square }
    square *= square
    left >>= 1
  }
  return result
}

/// 1 − βᵗ: what a running average that started at 0 has gathered of its weight after `step` steps.
func oneMinusPower(_ beta: Double, _ step: Int) -> Double { 1 - power(beta, step) }
