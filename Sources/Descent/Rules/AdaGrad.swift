/// AdaGrad (Duchi, Hazan & Singer 2011): a rate per element that falls with the gradients it has
/// seen.
///
///     s ← s + g²;   x ← x − η g / (√(s + εᵣ) + ε)
///
/// The same rule for devices: Kernels/rules/adagrad.cl.
public struct AdaGrad: UpdateRule {
  public static let name = "adagrad"

  public var learningRate = 0.01
  /// Added to the root.
  public var epsilon = 1e-10
  /// Added under the root.
  public var rootEpsilon = 0.0
  /// s before the first step.
  public var initialAccumulator = 0.0
  /// The rate of step t is η/(1 + (t − 1)·learningRateDecay).
  public var learningRateDecay = 0.0
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 0.01, epsilon: Double = 1e-10, rootEpsilon: Double = 0,
    initialAccumulator: Double = 0, learningRateDecay: Double = 0, weightDecay: Double = 0,
    decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.epsilon = epsilon
    self.rootEpsilon = rootEpsilon
    self.initialAccumulator = initialAccumulator
    self.learningRateDecay = learningRateDecay
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("rootEpsilon", \.rootEpsilon, .atLeastZero),
    .number("initialAccumulator", \.initialAccumulator, .atLeastZero),
    .number("learningRateDecay", \.learningRateDecay, .atLeastZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "adagrad" }
  public var states: [StateSpec] { [StateSpec("sum", startingAt: initialAccumulator)] }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let stepSize, rootEpsilon, epsilon: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    Scalars(
      stepSize: T(learningRate / (1 + Double(step - 1) * learningRateDecay)),
      rootEpsilon: T(rootEpsilon), epsilon: T(epsilon))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      let sum = state[0] + g * g
      state[0] = sum
      return quotient(s.stepSize, g, (sum + s.rootEpsilon).squareRoot() + s.epsilon)
    }
  }

  public static let variants = [
    RuleVariant("adagrad", AdaGrad(learningRate: 0.01), digest: 0x8874_f977_3c1e_3a1a),
    RuleVariant(
      "adagrad rootEpsilon",
      AdaGrad(
        learningRate: 0.01, epsilon: 0, rootEpsilon: 1e-7, initialAccumulator: 0.1,
        weightDecay: 0.1, decoupled: true), digest: 0x1dc5_3f52_2e54_116b),
    RuleVariant(
      "adagrad learningRateDecay",
      AdaGrad(
        learningRate: 0.1, epsilon: 0, learningRateDecay: 0.01, weightDecay: 0.1, maximize: true),
      digest: 0x763b_65bc_7eb2_13a6),
  ]
}

extension AdaGrad {
  /// `torch.optim.Adagrad`.
  public static func pyTorch(
    learningRate: Double = 0.01, learningRateDecay: Double = 0, weightDecay: Double = 0,
    initialAccumulator: Double = 0, epsilon: Double = 1e-10
  ) -> AdaGrad {
    AdaGrad(
      learningRate: learningRate, epsilon: epsilon, initialAccumulator: initialAccumulator,
      learningRateDecay: learningRateDecay, weightDecay: weightDecay)
  }

  /// `optax.adagrad`, which has no default rate.
  public static func optax(
    learningRate: Double, initialAccumulator: Double = 0.1, rootEpsilon: Double = 1e-7
  ) -> AdaGrad {
    AdaGrad(
      learningRate: learningRate, epsilon: 0, rootEpsilon: rootEpsilon,
      initialAccumulator: initialAccumulator)
  }

  /// `keras.optimizers.Adagrad`; Keras decouples the decay.
  public static func keras(
    learningRate: Double = 1e-3, initialAccumulator: Double = 0.1, rootEpsilon: Double = 1e-7,
    weightDecay: Double = 0
  ) -> AdaGrad {
    AdaGrad(
      learningRate: learningRate, epsilon: 0, rootEpsilon: rootEpsilon,
      initialAccumulator: initialAccumulator, weightDecay: weightDecay, decoupled: true)
  }

  /// The paper's method, δ outside the root.
  public static func paper(learningRate: Double, delta: Double = 1e-8) -> AdaGrad {
    AdaGrad(learningRate: learningRate, epsilon: delta)
  }
}
