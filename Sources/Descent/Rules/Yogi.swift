/// Yogi (Zaheer et al. 2018): ``Adam`` whose v moves by no more than (1 − β₂) g² in a step, so that
/// it does not fall at once where large gradients end.
///
///     m ← m + (1 − β₁)(g − m)
///     v ← v − (1 − β₂) sign(v − g²) g²
///     x ← x − η/(1 − β₁ᵗ) · m / (√(v/(1 − β₂ᵗ)) + ε)
///
/// m and v begin at `initialAccumulator`, 1e-6, and are corrected for bias as if they began at 0,
/// as in Optax. So an element without any gradient moves a little at first.
///
/// The same rule for devices: Kernels/rules/yogi.cl.
public struct Yogi: UpdateRule {
  public static let name = "yogi"

  public var learningRate = 0.01
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.9
  /// β₂; 1 − β₂ is the share of g² that v moves by.
  public var beta2 = 0.999
  /// Added to the root.
  public var epsilon = 1e-3
  /// m and v before the first step.
  public var initialAccumulator = 1e-6
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 0.01, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-3, initialAccumulator: Double = 1e-6, weightDecay: Double = 0,
    decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.initialAccumulator = initialAccumulator
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("initialAccumulator", \.initialAccumulator, .atLeastZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "yogi" }
  public var states: [StateSpec] {
    [
      StateSpec("m", startingAt: initialAccumulator),
      StateSpec("v", startingAt: initialAccumulator),
    ]
  }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let stepSize, oneMinusBeta1, oneMinusBeta2, rootCorrection, epsilon: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    Scalars(
      stepSize: T(learningRate / oneMinusPower(beta1, step)), oneMinusBeta1: T(1 - beta1),
      oneMinusBeta2: T(1 - beta2),
      rootCorrection: T(1 / oneMinusPower(beta2, step).squareRoot()), epsilon: T(epsilon))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      let m = state[0] + s.oneMinusBeta1 * (g - state[0])
      let square = g * g
      let side: T = state[1] > square ? 1 : state[1] < square ? -1 : 0
      let v = state[1] - side * (s.oneMinusBeta2 * square)
      (state[0], state[1]) = (m, v)
      return quotient(s.stepSize, m, v.squareRoot() * s.rootCorrection + s.epsilon)
    }
  }

  public static let variants = [
    RuleVariant("yogi", Yogi(), digest: 0xf044_6b9c_0c3d_7989),
    RuleVariant(
      "yogi coupled",
      Yogi(
        beta1: 0.8, beta2: 0.9, epsilon: 0, initialAccumulator: 0, weightDecay: 0.1,
        maximize: true), digest: 0xba62_938e_eb54_1f48),
    RuleVariant(
      "yogi decoupled", Yogi(weightDecay: 0.1, decoupled: true), digest: 0x54bd_cbbe_036c_d3b7),
  ]
}

extension Yogi {
  /// `optax.yogi`, which has no default rate.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-3
  ) -> Yogi {
    Yogi(learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon)
  }

  /// `pytorch_optimizer.Yogi`; the decay is decoupled.
  public static func pytorchOptimizer(
    learningRate: Double = 0.01, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-3, weightDecay: Double = 0, decoupled: Bool = true
  ) -> Yogi {
    Yogi(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      weightDecay: weightDecay, decoupled: decoupled)
  }
}
