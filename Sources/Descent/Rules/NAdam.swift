/// NAdam (Dozat 2016): ``Adam`` with Nesterov's momentum, and a momentum that rises to β₁.
///
///     m ← m + (1 − β₁)(g − m)
///     v ← β₂ v + (1 − β₂) g²
///     x ← x − η (μₜ₊₁ m/(1 − Pₜ μₜ₊₁) + (1 − μₜ) g/(1 − Pₜ)) / (√(v/(1 − β₂ᵗ)) + ε)
///
/// with μₜ = β₁(1 − ½·0.96^(tψ)) and Pₜ = μ₁ μ₂ … μₜ, which is kept from step to step: `muProduct`
/// of the rule's ``UpdateRule/history``. PyTorch and Keras differ in ψ, by a factor of 250; Optax
/// keeps μ at β₁ (`simpleSchedule`).
///
/// The same rule for devices: Kernels/rules/nadam.cl.
public struct NAdam: UpdateRule {
  public static let name = "nadam"

  public var learningRate = 2e-3
  /// β₁, how much of m a step keeps, and the limit of μ.
  public var beta1 = 0.9
  /// β₂, how much of v a step keeps.
  public var beta2 = 0.999
  /// Added to the root.
  public var epsilon = 1e-8
  /// ψ, how fast μ rises from about β₁/2 to β₁: the distance halves in 17/ψ steps.
  public var momentumDecay = 0.004
  /// Keeps μ at β₁ from the first step on. ψ then has no part in it.
  public var simpleSchedule = false
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 2e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    momentumDecay: Double = 0.004, simpleSchedule: Bool = false, weightDecay: Double = 0,
    decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.momentumDecay = momentumDecay
    self.simpleSchedule = simpleSchedule
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("momentumDecay", \.momentumDecay, .atLeastZero),
    .flag("simpleSchedule", \.simpleSchedule),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "nadam" }
  public var states: [StateSpec] { [StateSpec("m"), StateSpec("v")] }
  public var history: [HistoryValue] { [HistoryValue("muProduct", startingAt: 1)] }

  /// μ of step `step`.
  func momentum(at step: Int) -> Double {
    simpleSchedule ? beta1 : beta1 * (1 - 0.5 * power(0.96, Double(step) * momentumDecay))
  }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let learningRate, momentPart, gradientPart, oneMinusBeta1, beta2, oneMinusBeta2,
      rootCorrection: T
    let epsilon: T
  }
  public typealias KernelScalars = Scalars<Float>

  /// Those of a run whose rule was this one at every step.
  public func scalars(at step: Int) -> Scalars<Float> {
    var (history, earlier) = ([1.0], 1)
    while earlier < step && history[0] > 0 {
      history[0] *= momentum(at: earlier)
      earlier += 1
    }
    return scalars(at: step, history: &history)
  }

  public func scalars(at step: Int, history: inout [Double]) -> Scalars<Float> {
    values(at: step, product: &history[0])
  }

  private func values<T: BinaryFloatingPoint>(
    at step: Int, product: inout Double
  ) -> Scalars<T> {
    let (mu, next) = (momentum(at: step), momentum(at: step + 1))
    product *= mu
    return Scalars(
      learningRate: T(learningRate), momentPart: T(next / (1 - product * next)),
      gradientPart: T((1 - mu) / (1 - product)),
      oneMinusBeta1: T(1 - beta1), beta2: T(beta2), oneMinusBeta2: T(1 - beta2),
      rootCorrection: T(1 / oneMinusPower(beta2, step).squareRoot()), epsilon: T(epsilon))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    var product = elements.history[0]
    let s: Scalars<T> = values(at: step, product: &product)
    elements.update { _, g, state in
      let m = state[0] + s.oneMinusBeta1 * (g - state[0])
      let v = s.beta2 * state[1] + s.oneMinusBeta2 * g * g
      (state[0], state[1]) = (m, v)
      let root = v.squareRoot() * s.rootCorrection + s.epsilon
      var sum = s.gradientPart * g + s.momentPart * m
      // Finite where m and g are, as the root may be infinite.
      if sum.isInfinite && g.isFinite && m.isFinite {
        sum = sum > 0 ? T.greatestFiniteMagnitude : -T.greatestFiniteMagnitude
      }
      return quotient(s.learningRate, sum, root)
    }
  }

  public static let variants = [
    RuleVariant("nadam", NAdam(), digest: 0x5f23_1002_1d48_d3d8),
    RuleVariant(
      "nadam momentumDecay",
      NAdam(
        learningRate: 0.01, beta1: 0.95, beta2: 0.99, epsilon: 1e-6, momentumDecay: 1,
        weightDecay: 0.1, maximize: true), digest: 0x77f2_62a1_c8f2_8bc2),
    RuleVariant(
      "nadam simpleSchedule",
      NAdam(
        learningRate: 0.01, epsilon: 0, simpleSchedule: true, weightDecay: 0.1, decoupled: true),
      digest: 0x3b24_f1fd_1e8a_8fca),
  ]
}

extension NAdam {
  /// `torch.optim.NAdam`.
  public static func pyTorch(
    learningRate: Double = 2e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, momentumDecay: Double = 0.004, weightDecay: Double = 0,
    decoupled: Bool = false
  ) -> NAdam {
    NAdam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      momentumDecay: momentumDecay, weightDecay: weightDecay, decoupled: decoupled)
  }

  /// `optax.nadam`, or with a weight decay `optax.nadamw`, which decouples it: μ is β₁ throughout;
  /// no default rate.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Double = 0
  ) -> NAdam {
    NAdam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      simpleSchedule: true, weightDecay: weightDecay, decoupled: true)
  }

  /// `keras.optimizers.Nadam`: ψ 1, ε 1e-7; Keras decouples the decay.
  public static func keras(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-7, weightDecay: Double = 0
  ) -> NAdam {
    NAdam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon, momentumDecay: 1,
      weightDecay: weightDecay, decoupled: true)
  }
}
