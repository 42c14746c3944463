/// NovoGrad (Ginsburg et al. 2019, arXiv:1905.11286, algorithm 1): momentum of gradients that are
/// divided by a running norm, one for each tensor.
///
///     v ← β₂ v + (1 − β₂) ‖g‖²
///     m ← β₁ m + (g / (√(v + εᵣ) + ε) + λ x)
///     x ← x − η m
///
/// v begins with ‖g‖² of the first step, so no bias is corrected. It is one number for each tensor:
/// a parameter has a single state. With ``gradientAveraging`` the term added to m is multiplied by
/// 1 − β₁.
///
/// If a tensor's gradients are 0 at the first step, v begins at 0, as in Optax; timm begins it with
/// the first gradient that is not 0.
///
/// The same rule for devices: Kernels/rules/novograd.cl.
public struct NovoGrad: UpdateRule {
  public static let name = "novograd"

  public var learningRate = 1e-3
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.95
  /// β₂, how much of v a step keeps.
  public var beta2 = 0.98
  /// Added to the root.
  public var epsilon = 1e-8
  /// Added under the root.
  public var rootEpsilon = 0.0
  /// What enters m is multiplied by 1 − β₁.
  public var gradientAveraging = false
  /// λ.
  public var weightDecay = 0.0
  /// Takes the decay out of m: x ← x − (ηm + ηλx).
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.95, beta2: Double = 0.98,
    epsilon: Double = 1e-8, rootEpsilon: Double = 0, gradientAveraging: Bool = false,
    weightDecay: Double = 0, decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.rootEpsilon = rootEpsilon
    self.gradientAveraging = gradientAveraging
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
    .flag("gradientAveraging", \.gradientAveraging),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay {
    decoupled ? .decoupled(weightDecay) : .insideRule(weightDecay)
  }
  public var kernel: String { "novograd" }
  public var states: [StateSpec] {
    [StateSpec("m"), StateSpec("v", .tensor), StateSpec("norm", .tensor, isSaved: false)]
  }
  public var passes: [RulePass] {
    [
      RulePass(
        .sums([RuleSum(.norm, into: "norm")]), kernel: "novograd_sums", reading: [.gradients],
        writesStates: false),
      RulePass(.numbers(.tensor), kernel: "novograd_numbers"),
      RulePass(.elements, kernel: kernel),
    ]
  }

  /// Factors as in novograd.cl.
  public struct Scalars<T: BinaryFloatingPoint> {
    let learningRate, beta1, gain, decay, beta2, oneMinusBeta2, rootEpsilon, epsilon: T

    /// The second moment of a tensor, and its denominator in place of the norm.
    func moment(_ v: inout T, _ norm: inout T) {
      v = beta2 * v + oneMinusBeta2 * (norm * norm)
      norm = (v + rootEpsilon).squareRoot() + epsilon
    }

    func step(_ x: T, _ g: T, _ m: inout T, _ denominator: T) -> T {
      let d = quotient(gain, g, denominator)
      m = beta1 * m + (decay == 0 ? d : d + decay * x)
      return learningRate * m
    }
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let gain = gradientAveraging ? 1 - beta1 : 1
    let decay = decoupled ? 0 : gain * weightDecay
    let kept = step == 1 ? 0 : beta2
    return Scalars(
      learningRate: T(learningRate), beta1: T(beta1), gain: T(gain),
      decay: T(decay), beta2: T(kept), oneMinusBeta2: T(1 - kept), rootEpsilon: T(rootEpsilon),
      epsilon: T(epsilon))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    switch elements.pass {
    case 0: elements.sum { _, g, _, _, term in term[0] = g }
    case 1: elements.each { own, _ in s.moment(&own[0], &own[1]) }
    default:
      elements.updateWithNumbers { x, g, state, number in s.step(x, g, &state[0], number[1]) }
    }
  }

  public static let variants = [
    RuleVariant("novograd", NovoGrad(weightDecay: 0.01), digest: 0x9416_3c25_6574_6739),
    RuleVariant(
      "novograd averaged",
      NovoGrad(
        learningRate: 0.01, beta1: 0.9, beta2: 0.25, epsilon: 1e-6, gradientAveraging: true,
        weightDecay: 0.01), digest: 0x9adf_3d60_03e3_d4ed),
    RuleVariant(
      "novograd decoupled",
      NovoGrad(
        learningRate: 0.01, rootEpsilon: 1e-7, weightDecay: 0.1, decoupled: true, maximize: true),
      digest: 0xe522_acfb_0f0c_dc96),
  ]
}

extension NovoGrad {
  /// `optax.novograd`, which has no default rate.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.25, epsilon: Double = 1e-6,
    rootEpsilon: Double = 0, weightDecay: Double = 0
  ) -> NovoGrad {
    NovoGrad(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      rootEpsilon: rootEpsilon, weightDecay: weightDecay)
  }

  /// `timm.optim.NvNovoGrad`.
  public static func timm(
    learningRate: Double = 1e-3, beta1: Double = 0.95, beta2: Double = 0.98,
    epsilon: Double = 1e-8, gradientAveraging: Bool = false, weightDecay: Double = 0,
    decoupled: Bool = false
  ) -> NovoGrad {
    NovoGrad(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      gradientAveraging: gradientAveraging, weightDecay: weightDecay, decoupled: decoupled)
  }

  /// The paper's method with the values of its image classification.
  public static func paper(learningRate: Double = 0.01, weightDecay: Double = 0.002) -> NovoGrad {
    NovoGrad(learningRate: learningRate, weightDecay: weightDecay)
  }
}
