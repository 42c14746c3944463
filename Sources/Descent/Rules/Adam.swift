/// Adam (Kingma & Ba 2015, arXiv:1412.6980, algorithm 1).
///
///     m ← m + (1 − β₁)(g − m)
///     v ← β₂ v + (1 − β₂) g²
///     x ← x − η/(1 − β₁ᵗ) · m / (√(v/(1 − β₂ᵗ) + εᵣ) + ε)
///
/// Libraries disagree most on the place of ε: added to the corrected root (`epsilon`), inside it
/// (`rootEpsilon`), or added to the uncorrected one (`epsilonBeforeCorrection`), where at the first
/// step it weighs about 31.6 times as much.
///
/// The same rule for devices: Kernels/rules/adam.cl.
public struct Adam: UpdateRule {
  public static let name = "adam"

  public var learningRate = 1e-3
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.9
  /// β₂, how much of v a step keeps.
  public var beta2 = 0.999
  /// Added to the root.
  public var epsilon = 1e-8
  /// Added under the root.
  public var rootEpsilon = 0.0
  /// Adds ε to √v before the bias is corrected: the paper's ε̂.
  public var epsilonBeforeCorrection = false
  /// Corrects the bias of m.
  public var biasCorrection1 = true
  /// Corrects the bias of v.
  public var biasCorrection2 = true
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    rootEpsilon: Double = 0, epsilonBeforeCorrection: Bool = false, biasCorrection1: Bool = true,
    biasCorrection2: Bool = true, weightDecay: Double = 0, decoupled: Bool = false,
    maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.rootEpsilon = rootEpsilon
    self.epsilonBeforeCorrection = epsilonBeforeCorrection
    self.biasCorrection1 = biasCorrection1
    self.biasCorrection2 = biasCorrection2
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("rootEpsilon", \.rootEpsilon, .atLeastZero),
    .flag("epsilonBeforeCorrection", \.epsilonBeforeCorrection),
    .flag("biasCorrection1", \.biasCorrection1),
    .flag("biasCorrection2", \.biasCorrection2),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var conflict: String? {
    epsilonBeforeCorrection && rootEpsilon != 0
      ? "epsilonBeforeCorrection and rootEpsilon together are no known method" : nil
  }

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "adam" }
  public var states: [StateSpec] { [StateSpec("m"), StateSpec("v")] }

  /// One structure for every place of ε; adam.cl says what each factor multiplies.
  public struct Scalars<T: BinaryFloatingPoint> {
    var stepSize, oneMinusBeta1, beta2, oneMinusBeta2: T
    var maximumCorrection, correction, rootEpsilon, rootCorrection, epsilon: T

    /// One element; `maximum` is AMSGrad's state, nil for Adam.
    func step(
      _ g: T, _ m: inout T, _ v: inout T, maximum: UnsafeMutablePointer<T>? = nil
    ) -> T {
      m = m + oneMinusBeta1 * (g - m)
      v = beta2 * v + oneMinusBeta2 * g * g
      var w = v
      if let maximum {
        w = w * maximumCorrection
        maximum.pointee = maximum.pointee > w ? maximum.pointee : w
        w = maximum.pointee
      }
      let root = (w * correction + rootEpsilon).squareRoot()
      return quotient(stepSize, m, root * rootCorrection + epsilon)
    }
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    scalars(at: step, maximumOfCorrected: false)
  }

  /// `maximumOfCorrected` moves the correction of v to where AMSGrad takes the maximum.
  func scalars<T: BinaryFloatingPoint>(at step: Int, maximumOfCorrected: Bool) -> Scalars<T> {
    let c1 = biasCorrection1 ? oneMinusPower(beta1, step) : 1
    let c2 = biasCorrection2 ? oneMinusPower(beta2, step) : 1
    var scalars = Scalars(
      stepSize: T(learningRate / c1), oneMinusBeta1: T(1 - beta1), beta2: T(beta2),
      oneMinusBeta2: T(1 - beta2), maximumCorrection: T(1.0), correction: T(1.0),
      rootEpsilon: T(rootEpsilon), rootCorrection: T(1.0), epsilon: T(epsilon))
    if maximumOfCorrected {
      scalars.maximumCorrection = T(1 / c2)
    } else if epsilonBeforeCorrection {
      scalars.stepSize = T(learningRate * c2.squareRoot() / c1)
    } else if rootEpsilon != 0 {
      scalars.correction = T(1 / c2)
    } else {
      scalars.rootCorrection = T(1 / c2.squareRoot())
    }
    return scalars
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      s.step(g, &state[0], &state[1])
    }
  }

  public static let variants = [
    RuleVariant("adam", Adam(learningRate: 1e-3), digest: 0x349d_2079_3c69_8237),
    RuleVariant(
      "adam rootEpsilon",
      Adam(
        learningRate: 0.01, beta2: 0.99, epsilon: 1e-6, rootEpsilon: 1e-7, weightDecay: 0.1),
      digest: 0x1d6b_f530_f5d3_31c6),
    RuleVariant(
      "adam epsilonBeforeCorrection",
      Adam(
        learningRate: 0.01, epsilon: 1e-7, epsilonBeforeCorrection: true, weightDecay: 0.1,
        decoupled: true), digest: 0xd24d_9b47_973b_2e08),
    RuleVariant(
      "adam uncorrected",
      Adam(
        learningRate: 0.01, biasCorrection1: false, biasCorrection2: false, maximize: true),
      digest: 0x5e51_66f1_1d39_c137),
  ]
}

extension Adam {
  /// `torch.optim.Adam`.
  public static func pyTorch(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, weightDecay: Double = 0
  ) -> Adam {
    Adam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      weightDecay: weightDecay)
  }

  /// `optax.adam`, which has no default rate.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    rootEpsilon: Double = 0
  ) -> Adam {
    Adam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      rootEpsilon: rootEpsilon)
  }

  /// `keras.optimizers.Adam`: ε of 1e-7, before the correction; Keras decouples the decay.
  public static func keras(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-7, weightDecay: Double = 0
  ) -> Adam {
    Adam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      epsilonBeforeCorrection: true, weightDecay: weightDecay, decoupled: true)
  }

  /// The paper's algorithm 1 with its defaults.
  public static func paper() -> Adam { Adam() }
}
