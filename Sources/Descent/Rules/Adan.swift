/// Adan (Xie et al. 2022, arXiv:2208.06677, algorithm 1): Adam with Nesterov's momentum, estimated
/// by the difference of two gradients.
///
///     Δ = g − p        p is the last step's gradient; Δ is 0 at the first step
///     m ← β₁m + (1 − β₁)g
///     d ← β₂d + (1 − β₂)Δ
///     n ← β₃n + (1 − β₃)(g + β₂Δ)²
///     x ← x − η(m/c₁ + β₂d/c₂) / (√(n/c₃ + εᵣ) + ε)        cᵢ = 1 − βᵢᵗ
///     p ← g
///
/// The β are written as in the authors' code: the paper's are 1 minus these.
///
/// Weight decay is proximal by default, as in that code: x ← (x − u)/(1 + ηλ) for the step u.
/// Without `proximalDecay` it is coupled, or decoupled by `decoupled`.
///
/// The same rule for devices: Kernels/rules/adan.cl.
public struct Adan: UpdateRule {
  public static let name = "adan"

  public var learningRate = 1e-3
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.98
  /// β₂, how much of d a step keeps, and the weight of the difference.
  public var beta2 = 0.92
  /// β₃, how much of n a step keeps.
  public var beta3 = 0.99
  /// Added to the root.
  public var epsilon = 1e-8
  /// Added under the root.
  public var rootEpsilon = 0.0
  public var weightDecay = 0.0
  /// Whether weight decay divides: ``WeightDecay/proximal(_:)``. Excludes `decoupled`.
  public var proximalDecay = true
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``. Excludes
  /// `proximalDecay`.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.98, beta2: Double = 0.92, beta3: Double = 0.99,
    epsilon: Double = 1e-8, rootEpsilon: Double = 0, weightDecay: Double = 0,
    proximalDecay: Bool = true, decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.beta3 = beta3
    self.epsilon = epsilon
    self.rootEpsilon = rootEpsilon
    self.weightDecay = weightDecay
    self.proximalDecay = proximalDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("beta3", \.beta3, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("rootEpsilon", \.rootEpsilon, .atLeastZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("proximalDecay", \.proximalDecay),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var conflict: String? {
    proximalDecay && decoupled
      ? "proximalDecay and decoupled are two forms of one decay; leave one of them off" : nil
  }

  public var appliedDecay: WeightDecay {
    proximalDecay ? .proximal(weightDecay) : decay(decoupled: decoupled)
  }
  public var kernel: String { "adan" }
  public var states: [StateSpec] {
    [StateSpec("m"), StateSpec("d"), StateSpec("n"), StateSpec("prevGrad")]
  }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let stepSize, beta1, oneMinusBeta1, beta2, differenceGain, differenceWeight, differenceShare: T
    let beta3, oneMinusBeta3, correction, rootEpsilon, rootCorrection, epsilon: T
  }
  public typealias KernelScalars = Scalars<Float>

  /// At the first step there is no last gradient: nothing of the difference enters d or n.
  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let (c1, c2) = (oneMinusPower(beta1, step), oneMinusPower(beta2, step))
    let c3 = oneMinusPower(beta3, step)
    let shrinkage = proximalDecay ? 1 + learningRate * weightDecay : 1
    let (gain, weight) = step == 1 ? (0, 0) : (1 - beta2, beta2)
    let (inside, outside) = rootEpsilon == 0 ? (1, 1 / c3.squareRoot()) : (1 / c3, 1)
    return Scalars(
      stepSize: T(learningRate / c1 / shrinkage), beta1: T(beta1), oneMinusBeta1: T(1 - beta1),
      beta2: T(beta2), differenceGain: T(gain), differenceWeight: T(weight),
      differenceShare: T(beta2 * c1 / c2),
      beta3: T(beta3), oneMinusBeta3: T(1 - beta3),
      correction: T(inside), rootEpsilon: T(rootEpsilon), rootCorrection: T(outside),
      epsilon: T(epsilon))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      let difference = g - state[3]
      state[3] = g
      state[0] = s.beta1 * state[0] + s.oneMinusBeta1 * g
      state[1] = s.beta2 * state[1] + s.differenceGain * difference
      let ahead = g + s.differenceWeight * difference
      state[2] = s.beta3 * state[2] + s.oneMinusBeta3 * ahead * ahead
      let root = (state[2] * s.correction + s.rootEpsilon).squareRoot()
      return quotient(
        s.stepSize, state[0] + s.differenceShare * state[1], root * s.rootCorrection + s.epsilon)
    }
  }

  public static let variants = [
    RuleVariant("adan", Adan(learningRate: 1e-3), digest: 0x88f7_14a2_a48f_061f),
    RuleVariant(
      "adan proximal", Adan(learningRate: 0.01, weightDecay: 0.1, maximize: true),
      digest: 0xb44c_cd76_d97e_0f0f),
    RuleVariant(
      "adan decoupled",
      Adan(
        learningRate: 0.01, epsilon: 1e-6, rootEpsilon: 1e-8, weightDecay: 0.1,
        proximalDecay: false, decoupled: true), digest: 0x540f_1d95_5bd2_a5a0),
    RuleVariant(
      "adan coupled",
      Adan(
        learningRate: 0.01, beta1: 0.9, beta2: 0.8, beta3: 0.95, weightDecay: 0.1,
        proximalDecay: false), digest: 0x5aea_c407_4b45_0dae),
  ]
}

extension Adan {
  /// The authors' code, and `timm.optim.Adan`. `proximalDecay` of false is their `no_prox`:
  /// decoupled decay.
  public static func paper(
    learningRate: Double = 1e-3, beta1: Double = 0.98, beta2: Double = 0.92, beta3: Double = 0.99,
    epsilon: Double = 1e-8, weightDecay: Double = 0, proximalDecay: Bool = true
  ) -> Adan {
    Adan(
      learningRate: learningRate, beta1: beta1, beta2: beta2, beta3: beta3, epsilon: epsilon,
      weightDecay: weightDecay, proximalDecay: proximalDecay, decoupled: !proximalDecay)
  }
}
