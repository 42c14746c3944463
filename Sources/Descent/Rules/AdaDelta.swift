/// AdaDelta (Zeiler 2012, arXiv:1212.5701): steps in the parameters' own unit, hence no rate to
/// choose.
///
///     v ← ρ v + (1 − ρ) g²
///     u = √(d + ε) / √(v + ε) · g
///     d ← ρ d + (1 − ρ) u²
///     x ← x − η u
///
/// The same rule for devices: Kernels/rules/adadelta.cl.
public struct AdaDelta: UpdateRule {
  public static let name = "adadelta"

  public var learningRate = 1.0
  /// ρ.
  public var decay = 0.9
  /// Added under both roots. It sets how fast the first steps grow.
  public var epsilon = 1e-6
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1, decay: Double = 0.9, epsilon: Double = 1e-6, weightDecay: Double = 0,
    decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.decay = decay
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("decay", \.decay, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .aboveZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "adadelta" }
  public var states: [StateSpec] { [StateSpec("v"), StateSpec("d")] }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let learningRate, decay, oneMinusDecay, epsilon: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    Scalars(
      learningRate: T(learningRate), decay: T(decay), oneMinusDecay: T(1 - decay),
      epsilon: T(epsilon))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      var (v, d) = (state[0], state[1])
      v = s.decay * v + s.oneMinusDecay * (g * g)
      let u = (d + s.epsilon).squareRoot() / (v + s.epsilon).squareRoot() * g
      d = s.decay * d + s.oneMinusDecay * (u * u)
      (state[0], state[1]) = (v, d)
      return s.learningRate * u
    }
  }

  public static let variants = [
    RuleVariant("adadelta", AdaDelta(), digest: 0x9bf4_b8fd_ed0f_7025),
    RuleVariant(
      "adadelta coupled",
      AdaDelta(learningRate: 0.5, decay: 0.8, epsilon: 1e-4, weightDecay: 0.1, maximize: true),
      digest: 0x730a_e580_dc05_3639),
    RuleVariant(
      "adadelta decoupled", AdaDelta(weightDecay: 0.1, decoupled: true),
      digest: 0x6067_4dc3_79c7_a660),
  ]
}

extension AdaDelta {
  /// `torch.optim.Adadelta`.
  public static func pyTorch(
    learningRate: Double = 1, decay: Double = 0.9, epsilon: Double = 1e-6, weightDecay: Double = 0
  ) -> AdaDelta {
    AdaDelta(learningRate: learningRate, decay: decay, epsilon: epsilon, weightDecay: weightDecay)
  }

  /// `optax.adadelta` with the rate 1. (Left at its own default, none, Optax climbs.)
  public static func optax(
    learningRate: Double = 1, decay: Double = 0.9, epsilon: Double = 1e-6, weightDecay: Double = 0
  ) -> AdaDelta {
    AdaDelta(learningRate: learningRate, decay: decay, epsilon: epsilon, weightDecay: weightDecay)
  }

  /// `keras.optimizers.Adadelta`; Keras decouples the decay.
  public static func keras(
    learningRate: Double = 1e-3, decay: Double = 0.95, epsilon: Double = 1e-7,
    weightDecay: Double = 0
  ) -> AdaDelta {
    AdaDelta(
      learningRate: learningRate, decay: decay, epsilon: epsilon, weightDecay: weightDecay,
      decoupled: true)
  }

  /// The paper's method: ρ 0.95, ε 1e-6, no rate.
  public static func paper() -> AdaDelta {
    AdaDelta(decay: 0.95)
  }
}
