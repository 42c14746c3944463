/// Signum and sign SGD (Bernstein et al. 2018, arXiv:1802.04434): steps of one size in the
/// direction of the gradient's sign.
///
///     m ← γm + (1 − γ)g;   x ← x − η sign m
///
/// A `momentum` γ of 0 is sign SGD, x ← x − η sign g, which keeps no state and takes 12 bytes for
/// each element and step.
///
/// The sign of ±0 and of NaN is 0. An m of a magnitude below 2⁻¹²⁶ counts as 0.
///
/// The same rule for devices: Kernels/rules/signum.cl.
public struct Signum: UpdateRule {
  public static let name = "signum"

  public var learningRate = 1e-3
  /// γ, how much of m a step keeps; 0 keeps no m.
  public var momentum = 0.9
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, momentum: Double = 0.9, weightDecay: Double = 0,
    decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("momentum", \.momentum, .fromZeroToBelowOne),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { momentum == 0 ? "sign_sgd" : "signum" }
  public var states: [StateSpec] { momentum == 0 ? [] : [StateSpec("m")] }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let learningRate, momentum, oneMinusMomentum: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    Scalars(
      learningRate: T(learningRate), momentum: T(momentum), oneMinusMomentum: T(1 - momentum))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      var m = g
      if momentum != 0 {
        m = s.momentum * state[0] + s.oneMinusMomentum * g
        m = m > -0x1p-126 && m < 0x1p-126 ? 0 : m
        state[0] = m
      }
      return m >= 0x1p-126 ? s.learningRate : m <= -0x1p-126 ? -s.learningRate : 0
    }
  }

  public static let variants = [
    RuleVariant("signum", Signum(learningRate: 1e-3), digest: 0xcc49_c9d9_385c_f291),
    RuleVariant(
      "signum decoupled",
      Signum(learningRate: 0.01, momentum: 0.95, weightDecay: 0.1, decoupled: true),
      digest: 0x1251_cb9d_0565_da14),
    RuleVariant(
      "sign sgd", Signum(learningRate: 0.01, momentum: 0, weightDecay: 0.1, maximize: true),
      digest: 0xdd4f_154c_6a7e_9777),
  ]
}

extension Signum {
  /// `optax.signum`, which has no default rate.
  public static func optax(learningRate: Double, momentum: Double = 0.9) -> Signum {
    Signum(learningRate: learningRate, momentum: momentum)
  }

  /// Sign SGD: `optax.sign_sgd`, or the paper's algorithm 1.
  public static func signSGD(learningRate: Double) -> Signum {
    Signum(learningRate: learningRate, momentum: 0)
  }

  /// The paper's algorithm 2 with the γ of its experiments; it has no default rate.
  public static func paper(learningRate: Double, momentum: Double = 0.9) -> Signum {
    Signum(learningRate: learningRate, momentum: momentum)
  }
}
