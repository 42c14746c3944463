/// LAMB (You et al. 2020, arXiv:1904.00962, algorithm 2): Adam's step with the length of its
/// tensor.
///
///     m ← β₁ m + (1 − β₁) g
///     v ← β₂ v + (1 − β₂) g²
///     u = m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε) + λ x
///     x ← x − η ‖x‖/‖u‖ u
///
/// The norms are those of each tensor: a step moves a tensor by η times its own length. The ratio
/// ‖x‖/‖u‖ is 1 where a norm is 0, and unless ``alwaysAdapt`` is set where λ is 0, as for a group
/// of biases that is not decayed. For training with large batches.
///
/// The same rule for devices: Kernels/rules/lamb.cl.
public struct LAMB: UpdateRule {
  public static let name = "lamb"

  public var learningRate = 1e-3
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.9
  /// β₂, how much of v a step keeps.
  public var beta2 = 0.999
  /// Added to the root.
  public var epsilon = 1e-6
  /// G, the greatest norm of the gradients of all tensors that follow this rule, after the
  /// gradient's scale: g ← min(1, G/‖g‖) g. 0 allows any.
  ///
  /// It costs a pass over the gradients. ``Optimizer/clipping`` with
  /// ``Clipping/globalNorm(_:epsilon:)`` does the same over all groups, whatever their rule, for
  /// less.
  public var maximumGradientNorm = 0.0
  /// Takes the ratio also where λ is 0.
  public var alwaysAdapt = true
  /// Lets the ratio be 1 at most.
  public var trustClip = false
  /// λ.
  public var weightDecay = 0.0
  /// Takes the decay out of u: x ← x − (η r u + ηλx), with the ratio r of what the decay leaves of
  /// x, as in Keras.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-6, maximumGradientNorm: Double = 0, alwaysAdapt: Bool = true,
    trustClip: Bool = false, weightDecay: Double = 0, decoupled: Bool = false,
    maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.maximumGradientNorm = maximumGradientNorm
    self.alwaysAdapt = alwaysAdapt
    self.trustClip = trustClip
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("maximumGradientNorm", \.maximumGradientNorm, .atLeastZero),
    .flag("alwaysAdapt", \.alwaysAdapt),
    .flag("trustClip", \.trustClip),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay {
    decoupled ? .decoupled(weightDecay) : .insideRule(weightDecay)
  }

  private var isClipped: Bool { maximumGradientNorm > 0 }
  public var kernel: String { isClipped ? "lamb_clipped" : "lamb" }
  public var states: [StateSpec] {
    var states = [
      StateSpec("m"), StateSpec("v"), StateSpec("parameterNorm", .tensor, isSaved: false),
      StateSpec("updateNorm", .tensor, isSaved: false),
    ]
    if isClipped { states.append(StateSpec("gradientNorm", .model, isSaved: false)) }
    return states
  }
  public var passes: [RulePass] {
    var passes = [
      RulePass(
        .sums([RuleSum(.norm, into: "parameterNorm"), RuleSum(.norm, into: "updateNorm")]),
        kernel: "\(kernel)_moments"),
      RulePass(.numbers(.tensor), kernel: "\(kernel)_ratio"),
      RulePass(
        .elements, kernel: kernel, reading: [.parameters, .state("m"), .state("v")],
        writesStates: false),
    ]
    if isClipped {
      let norm = RulePass.Work.sums([RuleSum(.norm, into: "gradientNorm")])
      passes.insert(
        RulePass(norm, kernel: "lamb_norm", reading: [.gradients], writesStates: false), at: 0)
    }
    return passes
  }

  /// Factors as in lamb.cl; the switches are 0 or 1.
  public struct Scalars<T: BinaryFloatingPoint> {
    let learningRate, beta1, oneMinusBeta1, beta2, oneMinusBeta2, correction, rootCorrection: T
    let epsilon, decay, shrinkage, adapts, clipsRatio, maximumGradientNorm: T

    func clipped(_ g: T, _ norm: T) -> T {
      norm > maximumGradientNorm ? maximumGradientNorm / norm * g : g
    }

    func moments(_ g: T, _ m: inout T, _ v: inout T) {
      m = beta1 * m + oneMinusBeta1 * g
      v = beta2 * v + oneMinusBeta2 * g * g
    }

    func update(_ x: T, _ m: T, _ v: T) -> T {
      var u = quotient(correction, m, v.squareRoot() * rootCorrection + epsilon)
      if decay != 0 { u = u + decay * x }
      // Finite, so that the norm has a reciprocal.
      let most = T.greatestFiniteMagnitude
      return u > most ? most : u < -most ? -most : u
    }

    /// The factors of a tensor's step, in place of its norms.
    func factors(_ parameterNorm: inout T, _ updateNorm: inout T) {
      var length = shrinkage * parameterNorm
      if !(updateNorm > 0) || adapts == 0 { length = 0 }
      if clipsRatio != 0 && length > updateNorm { length = 0 }
      let isAdapted = length > 0
      parameterNorm = learningRate * (isAdapted ? length : 1)
      updateNorm = isAdapted ? updateNorm : 1
    }
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let shrinkage = decoupled ? 1 - learningRate * weightDecay : 1
    let decay = decoupled ? 0 : weightDecay
    let adapts = alwaysAdapt || weightDecay != 0 ? 1.0 : 0
    let clipsRatio = trustClip ? 1.0 : 0
    let correction = 1 / oneMinusPower(beta1, step)
    let rootCorrection = 1 / oneMinusPower(beta2, step).squareRoot()
    return Scalars(
      learningRate: T(learningRate), beta1: T(beta1), oneMinusBeta1: T(1 - beta1),
      beta2: T(beta2), oneMinusBeta2: T(1 - beta2),
      correction: T(correction), rootCorrection: T(rootCorrection), epsilon: T(epsilon),
      decay: T(decay), shrinkage: T(shrinkage.magnitude), adapts: T(adapts),
      clipsRatio: T(clipsRatio), maximumGradientNorm: T(maximumGradientNorm))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    switch elements.pass - (isClipped ? 1 : 0) {
    case -1: elements.sum { _, g, _, _, term in term[0] = g }
    case 0:
      elements.sum { x, g, state, number, term in
        s.moments(isClipped ? s.clipped(g, number[2]) : g, &state[0], &state[1])
        (term[0], term[1]) = (x, s.update(x, state[0], state[1]))
      }
    case 1: elements.each { own, _ in s.factors(&own[0], &own[1]) }
    default:
      elements.updateWithNumbers { x, _, state, number in
        number[0] * (s.update(x, state[0], state[1]) / number[1])
      }
    }
  }

  public static let variants = [
    RuleVariant("lamb", LAMB(weightDecay: 0.01), digest: 0xeb4b_5985_f5fc_8b1e),
    RuleVariant(
      "lamb clipped ratio",
      LAMB(learningRate: 0.01, beta1: 0.8, beta2: 0.99, epsilon: 1e-8, trustClip: true),
      digest: 0xb808_508b_6453_1b12),
    RuleVariant(
      "lamb decoupled",
      LAMB(
        learningRate: 0.01, epsilon: 1e-7, weightDecay: 0.1, decoupled: true, maximize: true),
      digest: 0x73c0_4650_f275_834e),
    RuleVariant("lamb unadapted", LAMB(alwaysAdapt: false), digest: 0x6a4c_2a95_c416_5aaf),
    RuleVariant(
      "lamb maximumGradientNorm", LAMB(maximumGradientNorm: 1, weightDecay: 0.01),
      digest: 0x32b6_df0a_fd0f_4585),
  ]
}

extension LAMB {
  /// `timm.optim.Lamb`: the gradient's norm is 1 at most, and what is not decayed has a ratio of 1.
  public static func timm(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-6, maximumGradientNorm: Double = 1, alwaysAdapt: Bool = false,
    trustClip: Bool = false, weightDecay: Double = 0.01
  ) -> LAMB {
    LAMB(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      maximumGradientNorm: maximumGradientNorm, alwaysAdapt: alwaysAdapt, trustClip: trustClip,
      weightDecay: weightDecay)
  }

  /// `optax.lamb`, which has no default rate.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-6,
    weightDecay: Double = 0
  ) -> LAMB {
    LAMB(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      weightDecay: weightDecay)
  }

  /// `keras.optimizers.Lamb`; Keras decouples the decay.
  public static func keras(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-7, weightDecay: Double = 0
  ) -> LAMB {
    LAMB(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      weightDecay: weightDecay, decoupled: true)
  }

  /// The paper's algorithm 2 with the decay of its experiments, 0.01.
  public static func paper(learningRate: Double, weightDecay: Double = 0.01) -> LAMB {
    LAMB(learningRate: learningRate, weightDecay: weightDecay)
  }
}
