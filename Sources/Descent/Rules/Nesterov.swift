/// Nesterov's method with its true look-ahead (Nesterov 1983; Sutskever et al. 2013): the gradient
/// is taken where the momentum alone would lead.
///
///     W′ = W − γₜV;   V ← γₜV + η∇f(W′);   W ← W − V
///
/// The parameters that the optimizer updates are the look-ahead point itself, φ = W − γₜ₊₁V, so the
/// gradient at the stored parameters is the look-ahead gradient, and a step is one pass:
///
///     V ← γₜV + ηg;   φ ← φ − (ηg + γₜ₊₁V)
///
/// ``Optimizer/writeIterate(from:into:)`` gives W, ``Optimizer/settle(_:)`` puts it in φ's place at
/// the end. The method stays exact while η changes from step to step, and while γ changes if each
/// step is given the next one's γ: see ``nextMomentum``.
///
/// The same rule for devices: Kernels/rules/momentum.cl, with two values of γ.
public struct Nesterov: UpdateRule {
  public static let name = "nesterov"

  public var learningRate = 0.01
  /// γₜ, of this step.
  public var momentum = 0.9
  /// γₜ₊₁, of the step after this one; nil if it stays.
  public var nextMomentum: Double?
  /// λ. The decay is part of the gradient, so it too is taken at the look-ahead point.
  public var weightDecay = 0.0
  public var maximize = false
  /// Never decoupled: shrinking φ would shrink the momentum in it.
  public var appliedDecay: WeightDecay { .coupled(weightDecay) }

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 0.01, momentum: Double = 0.9, nextMomentum: Double? = nil,
    weightDecay: Double = 0, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.nextMomentum = nextMomentum
    self.weightDecay = weightDecay
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("momentum", \.momentum, .fromZeroToBelowOne),
    .optional("nextMomentum", \.nextMomentum, .fromZeroToBelowOne),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .fixed("decoupled", false),
    .flag("maximize", \.maximize),
  ]

  /// The γ that φ is ahead of W by, once this step is taken.
  var heldMomentum: Double { nextMomentum ?? momentum }

  /// W = φ + γV, with the γ that φ is ahead by: before the first step that of the coming one.
  public func evaluationPoint(afterStep: Bool) -> EvaluationPoint? {
    EvaluationPoint(state: "b", factor: afterStep ? heldMomentum : momentum)
  }

  /// The look-ahead point would be ahead by another γ than the next step prepares for.
  public var unskippable: String? {
    heldMomentum == momentum ? nil : "nextMomentum cannot change"
  }

  public func validate(after last: Nesterov) throws {
    guard momentum == last.heldMomentum else {
      throw DescentError.momentumNotAnnounced(announced: last.heldMomentum, given: momentum)
    }
  }

  public var kernel: String { "momentum_nesterov" }
  public var states: [StateSpec] { [StateSpec("b")] }

  public typealias KernelScalars = Momentum.Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Momentum.Scalars<T> {
    Momentum.Scalars(
      momentum: T(momentum), gain: T(learningRate), nextMomentum: T(heldMomentum),
      direct: T(learningRate), rate: T(1.0))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Momentum.Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      s.step(g, &state[0], nesterov: true)
    }
  }

  public static let variants = [
    RuleVariant("nesterov", Nesterov(learningRate: 0.01), digest: 0x1cc9_ccfe_65e9_69a6),
    RuleVariant(
      "nesterov coupled", Nesterov(learningRate: 0.01, weightDecay: 0.1, maximize: true),
      digest: 0x439b_6098_5220_135b),
  ]
}
