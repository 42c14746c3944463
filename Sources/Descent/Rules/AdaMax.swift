/// AdaMax (Kingma & Ba 2015, arXiv:1412.6980, section 7.1): ``Adam`` with the largest gradient in
/// the place of the root mean square.
///
///     m ← m + (1 − β₁)(g − m)
///     u ← max(β₂ u, |g|)
///     x ← x − η/(1 − β₁ᵗ) · m / (u + ε)
///
/// The paper has no ε. PyTorch and Optax add it to |g| inside the maximum (`epsilonInsideMaximum`),
/// Keras to u.
///
/// The same rule for devices: Kernels/rules/adamax.cl.
public struct AdaMax: UpdateRule {
  public static let name = "adamax"

  public var learningRate = 2e-3
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.9
  /// β₂, how much of u a step keeps.
  public var beta2 = 0.999
  /// Added to u.
  public var epsilon = 1e-8
  /// Adds ε to |g| instead, and nothing to u.
  public var epsilonInsideMaximum = false
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 2e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    epsilonInsideMaximum: Bool = false, weightDecay: Double = 0, decoupled: Bool = false,
    maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.epsilonInsideMaximum = epsilonInsideMaximum
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .flag("epsilonInsideMaximum", \.epsilonInsideMaximum),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "adamax" }
  public var states: [StateSpec] { [StateSpec("m"), StateSpec("u")] }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let stepSize, oneMinusBeta1, beta2, insideEpsilon, epsilon: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    Scalars(
      stepSize: T(learningRate / oneMinusPower(beta1, step)), oneMinusBeta1: T(1 - beta1),
      beta2: T(beta2), insideEpsilon: T(epsilonInsideMaximum ? epsilon : 0),
      epsilon: T(epsilonInsideMaximum ? 0 : epsilon))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      let m = state[0] + s.oneMinusBeta1 * (g - state[0])
      let size = (g < 0 ? -g : g) + s.insideEpsilon
      let decayed = s.beta2 * state[1]
      let u = decayed > size ? decayed : size
      (state[0], state[1]) = (m, u)
      return quotient(s.stepSize, m, u + s.epsilon)
    }
  }

  public static let variants = [
    RuleVariant("adamax", AdaMax(), digest: 0xc4f0_ae00_6a85_cdaf),
    RuleVariant(
      "adamax epsilonInsideMaximum",
      AdaMax(
        learningRate: 0.01, beta1: 0.8, beta2: 0.9, epsilon: 1e-6, epsilonInsideMaximum: true,
        weightDecay: 0.1, maximize: true), digest: 0x9b1e_40c0_3e8f_d55a),
    RuleVariant(
      "adamax decoupled", AdaMax(epsilon: 0, weightDecay: 0.1, decoupled: true),
      digest: 0x0fd1_99f9_904c_96e3),
  ]
}

extension AdaMax {
  /// `torch.optim.Adamax`: ε inside the maximum.
  public static func pyTorch(
    learningRate: Double = 2e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, weightDecay: Double = 0
  ) -> AdaMax {
    AdaMax(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      epsilonInsideMaximum: true, weightDecay: weightDecay)
  }

  /// `optax.adamax`, or with a weight decay `optax.adamaxw`, which decouples it: ε inside the
  /// maximum; no default rate.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0
  ) -> AdaMax {
    AdaMax(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      epsilonInsideMaximum: true, weightDecay: weightDecay, decoupled: true)
  }

  /// `keras.optimizers.Adamax`: ε of 1e-7, added to u; Keras decouples the decay.
  public static func keras(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-7, weightDecay: Double = 0
  ) -> AdaMax {
    AdaMax(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      weightDecay: weightDecay, decoupled: true)
  }

  /// The paper's algorithm 2 with its defaults, which has no ε.
  public static func paper(
    learningRate: Double = 2e-3, beta1: Double = 0.9, beta2: Double = 0.999
  ) -> AdaMax {
    AdaMax(learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: 0)
  }
}
