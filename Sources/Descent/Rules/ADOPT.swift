/// ADOPT (Taniguchi et al. 2024, arXiv:2411.02853, algorithm 2): Adam that divides by the second
/// moment of the steps before, and averages afterwards. It converges for every β₂.
///
///     ĝ = g / max(√v, ε), then between −c and c        c = (t − 1)^¼
///     m ← m + (1 − β₁)(ĝ − m)
///     v ← β₂v + (1 − β₂)g²
///     x ← x − ηm
///
/// The first step only sets v to g²: parameters and m stay, and decoupled decay begins with the
/// second. So t − 1 counts the updates, as t does in the paper. Nothing is bias-corrected.
///
/// Without `clipped` it is algorithm 1, which divides at the first updates by whatever v the first
/// gradient left.
///
/// The same rule for devices: Kernels/rules/adopt.cl.
public struct ADOPT: UpdateRule {
  public static let name = "adopt"

  public var learningRate = 1e-3
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.9
  /// β₂, how much of v a step keeps.
  public var beta2 = 0.9999
  /// The least denominator.
  public var epsilon = 1e-6
  /// Clips ĝ by value.
  public var clipped = true
  /// The power of t − 1 that ĝ is clipped to.
  public var clippingPower = 0.25
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: x ← x − (ηm + ηλx), from the second step
  /// on.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.9999,
    epsilon: Double = 1e-6, clipped: Bool = true, clippingPower: Double = 0.25,
    weightDecay: Double = 0, decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.clipped = clipped
    self.clippingPower = clippingPower
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .flag("clipped", \.clipped),
    .number("clippingPower", \.clippingPower, .atLeastZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  /// The rule leaves decoupled decay out of the first step.
  public var appliedDecay: WeightDecay {
    decoupled ? .insideRule(weightDecay) : .coupled(weightDecay)
  }
  public var kernel: String { "adopt" }
  public var states: [StateSpec] { [StateSpec("m"), StateSpec("v")] }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let learningRate, oneMinusBeta1, beta2, oneMinusBeta2, epsilon, limit, decay: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    var (kept, gain, limit, decay) = (0.0, 1.0, 0.0, 0.0)
    if step > 1 {
      (kept, gain) = (beta2, 1 - beta2)
      // ∞ clips nothing.
      limit = clipped ? power(Double(step - 1), clippingPower) : .infinity
      decay = decoupled ? learningRate * weightDecay : 0
    }
    return Scalars(
      learningRate: T(learningRate), oneMinusBeta1: T(1 - beta1), beta2: T(kept),
      oneMinusBeta2: T(gain), epsilon: T(epsilon), limit: T(limit), decay: T(decay))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { x, g, state in
      let root = state[1].squareRoot()
      var ratio = quotient(1, g, root < s.epsilon ? s.epsilon : root)
      ratio = ratio > s.limit ? s.limit : ratio
      ratio = ratio < -s.limit ? -s.limit : ratio
      state[0] = state[0] + s.oneMinusBeta1 * (ratio - state[0])
      state[1] = s.beta2 * state[1] + s.oneMinusBeta2 * g * g
      let step = s.learningRate * state[0]
      return s.decay == 0 ? step : step + s.decay * x
    }
  }

  public static let variants = [
    RuleVariant("adopt", ADOPT(learningRate: 1e-3), digest: 0xf193_7d7e_9a16_78f7),
    RuleVariant(
      "adopt unclipped",
      ADOPT(
        learningRate: 0.01, beta1: 0.95, beta2: 0.99, epsilon: 1e-4, clipped: false,
        weightDecay: 0.1), digest: 0x3bfc_ad0d_b7b7_1761),
    RuleVariant(
      "adopt decoupled",
      ADOPT(
        learningRate: 0.01, clippingPower: 0.5, weightDecay: 0.1, decoupled: true, maximize: true),
      digest: 0xb4da_0283_1694_f8d9),
  ]
}

extension ADOPT {
  /// The authors' code with its defaults; without `clipped` it is `clip_lambda=None`.
  public static func paper(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.9999,
    epsilon: Double = 1e-6, clipped: Bool = true, weightDecay: Double = 0, decoupled: Bool = false
  ) -> ADOPT {
    ADOPT(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, clipped: clipped,
      weightDecay: weightDecay, decoupled: decoupled)
  }
}
