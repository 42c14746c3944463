/// AdEMAMix (Pagliardini, Ablin & Grangier 2024, arXiv:2409.03137, algorithm 1): AdamW with a
/// second, slow average of the gradients.
///
///     m ← β₁m + (1 − β₁)g
///     l ← β₃l + (1 − β₃)g
///     v ← β₂v + (1 − β₂)g²
///     x ← x − (η(m/c₁ + αl) / (√(v/c₂ + εᵣ) + ε) + ηλx)        cᵢ = 1 − βᵢᵗ
///
/// The slow average l is the state `slow`; its bias is not corrected.
///
/// Two warm-ups, each of a number of steps of its own, which the paper sets to that of the whole
/// run. Before step T of `alphaWarmupSteps`, α is α·t/T. Before step T of `beta3WarmupSteps`, the
/// half-life of l, ln ½/ln β, moves in a straight line from that of β₁ to that of β₃:
///
///     β₃ₜ = ½^(1/h)        h = (1 − t/T) ln ½/ln(β₁ + δ) + t/T ln ½/ln(β₃ + δ)
///
/// The authors' code has a δ of 1e-8 there, the paper has none: `warmupEpsilon`.
///
/// The same rule for devices: Kernels/rules/ademamix.cl.
public struct AdEMAMix: UpdateRule {
  public static let name = "ademamix"

  public var learningRate = 1e-3
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.9
  /// β₂, how much of v a step keeps.
  public var beta2 = 0.999
  /// β₃, how much of l a step keeps.
  public var beta3 = 0.9999
  /// α, the weight of l.
  public var alpha = 2.0
  /// How many steps α takes to grow from 0; 0 is no warm-up.
  public var alphaWarmupSteps = 0.0
  /// How many steps β₃ takes to grow from β₁; 0 is no warm-up.
  public var beta3WarmupSteps = 0.0
  /// δ, added to β in the logarithms of the warm-up.
  public var warmupEpsilon = 1e-8
  /// Added to the root.
  public var epsilon = 1e-8
  /// Added under the root.
  public var rootEpsilon = 0.0
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = true
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    beta3: Double = 0.9999, alpha: Double = 2, alphaWarmupSteps: Double = 0,
    beta3WarmupSteps: Double = 0, warmupEpsilon: Double = 1e-8, epsilon: Double = 1e-8,
    rootEpsilon: Double = 0, weightDecay: Double = 0, decoupled: Bool = true,
    maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.beta3 = beta3
    self.alpha = alpha
    self.alphaWarmupSteps = alphaWarmupSteps
    self.beta3WarmupSteps = beta3WarmupSteps
    self.warmupEpsilon = warmupEpsilon
    self.epsilon = epsilon
    self.rootEpsilon = rootEpsilon
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("beta3", \.beta3, .fromZeroToBelowOne),
    .number("alpha", \.alpha, .atLeastZero),
    .number("alphaWarmupSteps", \.alphaWarmupSteps, .atLeastZero),
    .number("beta3WarmupSteps", \.beta3WarmupSteps, .atLeastZero),
    .number("warmupEpsilon", \.warmupEpsilon, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("rootEpsilon", \.rootEpsilon, .atLeastZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "ademamix" }
  public var states: [StateSpec] { [StateSpec("m"), StateSpec("slow"), StateSpec("v")] }

  /// α of a step.
  func alpha(at step: Int) -> Double {
    let done = Double(step) / alphaWarmupSteps
    return done < 1 ? done * alpha : alpha
  }

  /// β₃ of a step.
  func beta3(at step: Int) -> Double {
    let done = Double(step) / beta3WarmupSteps
    guard done < 1 else { return beta3 }
    func halfLife(_ beta: Double) -> Double {
      let raised = beta + warmupEpsilon
      return logarithm(0.5) / logarithm(raised < 1 ? raised : beta)
    }
    return power(0.5, 1 / ((1 - done) * halfLife(beta1) + done * halfLife(beta3)))
  }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let stepSize, beta1, oneMinusBeta1, beta3, oneMinusBeta3, beta2, oneMinusBeta2, slowWeight: T
    let correction, rootEpsilon, rootCorrection, epsilon: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let (c1, c2) = (oneMinusPower(beta1, step), oneMinusPower(beta2, step))
    let slowBeta = beta3(at: step)
    let (inside, outside) = rootEpsilon == 0 ? (1, 1 / c2.squareRoot()) : (1 / c2, 1)
    return Scalars(
      stepSize: T(learningRate / c1), beta1: T(beta1), oneMinusBeta1: T(1 - beta1),
      beta3: T(slowBeta), oneMinusBeta3: T(1 - slowBeta), beta2: T(beta2),
      oneMinusBeta2: T(1 - beta2),
      slowWeight: T(alpha(at: step) * c1), correction: T(inside), rootEpsilon: T(rootEpsilon),
      rootCorrection: T(outside), epsilon: T(epsilon))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      state[0] = s.beta1 * state[0] + s.oneMinusBeta1 * g
      state[1] = s.beta3 * state[1] + s.oneMinusBeta3 * g
      state[2] = s.beta2 * state[2] + s.oneMinusBeta2 * g * g
      let root = (state[2] * s.correction + s.rootEpsilon).squareRoot()
      return quotient(
        s.stepSize, state[0] + s.slowWeight * state[1], root * s.rootCorrection + s.epsilon)
    }
  }

  public static let variants = [
    RuleVariant("ademamix", AdEMAMix(learningRate: 1e-3), digest: 0xc4c1_f653_11fb_6ca1),
    RuleVariant(
      "ademamix warm-up",
      AdEMAMix(
        learningRate: 0.01, alpha: 5, alphaWarmupSteps: 20, beta3WarmupSteps: 15,
        warmupEpsilon: 0, weightDecay: 0.1), digest: 0x1689_2257_36ce_61c3),
    RuleVariant(
      "ademamix coupled",
      AdEMAMix(
        learningRate: 0.01, beta1: 0.8, beta2: 0.99, beta3: 0.999, epsilon: 1e-6,
        rootEpsilon: 1e-8, weightDecay: 0.1, decoupled: false, maximize: true),
      digest: 0xe479_cbc7_0537_a00e),
  ]
}

extension AdEMAMix {
  /// The authors' code with its defaults. The paper sets both numbers of steps to that of the whole
  /// run.
  public static func paper(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    beta3: Double = 0.9999, alpha: Double = 2, alphaWarmupSteps: Double = 0,
    beta3WarmupSteps: Double = 0, epsilon: Double = 1e-8, weightDecay: Double = 0
  ) -> AdEMAMix {
    AdEMAMix(
      learningRate: learningRate, beta1: beta1, beta2: beta2, beta3: beta3, alpha: alpha,
      alphaWarmupSteps: alphaWarmupSteps, beta3WarmupSteps: beta3WarmupSteps, epsilon: epsilon,
      weightDecay: weightDecay)
  }
}
