/// Lion (Chen et al. 2023, arXiv:2302.06675, program 1): steps of one size in the direction of an
/// average's sign.
///
///     c = β₁m + (1 − β₁)g
///     m ← β₂m + (1 − β₂)g
///     x ← x − (η sign c + ηλx)
///
/// Every element moves by η or not at all, so η is smaller than ``Adam``'s, by 3 to 10 times in the
/// paper, and λ larger by as much. Weight decay is always decoupled.
///
/// The sign of ±0 and of NaN is 0. A c or an m of a magnitude below 2⁻¹²⁶ counts as 0.
///
/// The same rule for devices: Kernels/rules/lion.cl.
public struct Lion: UpdateRule {
  public static let name = "lion"

  public var learningRate = 1e-4
  /// β₁, the share of m in the direction.
  public var beta1 = 0.9
  /// β₂, how much of m a step keeps.
  public var beta2 = 0.99
  public var weightDecay = 0.0
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-4, beta1: Double = 0.9, beta2: Double = 0.99,
    weightDecay: Double = 0, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.weightDecay = weightDecay
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .fixed("decoupled", true),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { .decoupled(weightDecay) }
  public var kernel: String { "lion" }
  public var states: [StateSpec] { [StateSpec("m")] }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let learningRate, beta1, oneMinusBeta1, beta2, oneMinusBeta2: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    Scalars(
      learningRate: T(learningRate), beta1: T(beta1), oneMinusBeta1: T(1 - beta1),
      beta2: T(beta2), oneMinusBeta2: T(1 - beta2))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      let c = s.beta1 * state[0] + s.oneMinusBeta1 * g
      let m = s.beta2 * state[0] + s.oneMinusBeta2 * g
      state[0] = m > -0x1p-126 && m < 0x1p-126 ? 0 : m
      return c >= 0x1p-126 ? s.learningRate : c <= -0x1p-126 ? -s.learningRate : 0
    }
  }

  public static let variants = [
    RuleVariant("lion", Lion(learningRate: 1e-3), digest: 0xc44e_8b13_5509_19a9),
    RuleVariant(
      "lion decoupled",
      Lion(learningRate: 0.01, beta1: 0.95, beta2: 0.98, weightDecay: 0.1, maximize: true),
      digest: 0xb750_43fa_e2a7_b96d),
  ]
}

extension Lion {
  /// `optax.lion`, which has no default rate.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double = 1e-3
  ) -> Lion {
    Lion(learningRate: learningRate, beta1: beta1, beta2: beta2, weightDecay: weightDecay)
  }

  /// `keras.optimizers.Lion`.
  public static func keras(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double = 0
  ) -> Lion {
    Lion(learningRate: learningRate, beta1: beta1, beta2: beta2, weightDecay: weightDecay)
  }

  /// The paper's β, with the rate of its authors' code, and of the packages `lion-pytorch` and
  /// `timm`.
  public static func paper(learningRate: Double = 1e-4, weightDecay: Double = 0) -> Lion {
    Lion(learningRate: learningRate, weightDecay: weightDecay)
  }
}
