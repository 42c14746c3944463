/// RAdam (Liu et al. 2020, arXiv:1908.03265, algorithm 2): ``Adam`` whose early steps are
/// rectified, since v then averages too few gradients to be divided by.
///
///     m ← β₁ m + (1 − β₁) g
///     v ← β₂ v + (1 − β₂) g²
///     x ← x − η rₜ/(1 − β₁ᵗ) · m / (√(v/(1 − β₂ᵗ) + εᵣ) + ε)     where ρₜ is above the threshold
///     x ← x − η/(1 − β₁ᵗ) · m                                      elsewhere
///
/// with ρ∞ = 2/(1 − β₂) − 1, ρₜ = ρ∞ − 2tβ₂ᵗ/(1 − β₂ᵗ) and
/// rₜ = √((ρₜ − 4)(ρₜ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρₜ)). At β₂ = 0.999 the first five steps do not
/// divide.
///
/// PyTorch adds ε to √v before the bias is corrected (`epsilonBeforeCorrection`), Optax after that.
///
/// The same rule for devices: Kernels/rules/radam.cl.
public struct RAdam: UpdateRule {
  public static let name = "radam"

  public var learningRate = 1e-3
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.9
  /// β₂, how much of v a step keeps.
  public var beta2 = 0.999
  /// Added to the root.
  public var epsilon = 1e-8
  /// Added under the root.
  public var rootEpsilon = 0.0
  /// Adds ε to √v before the bias is corrected.
  public var epsilonBeforeCorrection = false
  /// Steps whose ρₜ is above it are divided by the root: at least 4, where rₜ is 0.
  public var rectificationThreshold = 5.0
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    rootEpsilon: Double = 0, epsilonBeforeCorrection: Bool = false,
    rectificationThreshold: Double = 5, weightDecay: Double = 0, decoupled: Bool = false,
    maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.rootEpsilon = rootEpsilon
    self.epsilonBeforeCorrection = epsilonBeforeCorrection
    self.rectificationThreshold = rectificationThreshold
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
    .number("rectificationThreshold", \.rectificationThreshold, .atLeastZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var conflict: String? {
    if rectificationThreshold < 4 {
      return "a rectificationThreshold below 4 lets in steps that have no rectification"
    }
    return epsilonBeforeCorrection && rootEpsilon != 0
      ? "epsilonBeforeCorrection and rootEpsilon together are no known method" : nil
  }

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "radam" }
  public var states: [StateSpec] { [StateSpec("m"), StateSpec("v")] }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    var stepSize, beta1, oneMinusBeta1, beta2, oneMinusBeta2: T
    var correction, rootEpsilon, rootCorrection, epsilon, divides: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let c1 = oneMinusPower(beta1, step)
    let c2 = oneMinusPower(beta2, step)
    let rectification = rectification(beta2, step, above: rectificationThreshold)
    var scalars = Scalars(
      stepSize: T(learningRate * (rectification ?? 1) / c1), beta1: T(beta1),
      oneMinusBeta1: T(1 - beta1), beta2: T(beta2), oneMinusBeta2: T(1 - beta2),
      correction: T(1.0), rootEpsilon: T(rootEpsilon), rootCorrection: T(1.0),
      epsilon: T(epsilon), divides: T(rectification == nil ? 0.0 : 1.0))
    if epsilonBeforeCorrection {
      if let rectification {
        scalars.stepSize = T(learningRate * rectification * c2.squareRoot() / c1)
      }
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
      let m = s.beta1 * state[0] + s.oneMinusBeta1 * g
      let v = s.beta2 * state[1] + s.oneMinusBeta2 * g * g
      (state[0], state[1]) = (m, v)
      if s.divides == 0 { return s.stepSize * m }
      let root = (v * s.correction + s.rootEpsilon).squareRoot()
      return quotient(s.stepSize, m, root * s.rootCorrection + s.epsilon)
    }
  }

  public static let variants = [
    RuleVariant("radam", RAdam(), digest: 0x795a_a252_986c_7b01),
    RuleVariant(
      "radam epsilonBeforeCorrection",
      RAdam(
        learningRate: 0.01, beta2: 0.95, epsilon: 1e-6, epsilonBeforeCorrection: true,
        weightDecay: 0.1, maximize: true), digest: 0xe08d_c010_fe61_cd65),
    RuleVariant(
      "radam rootEpsilon",
      RAdam(
        learningRate: 0.01, beta2: 0.99, epsilon: 0, rootEpsilon: 1e-7,
        rectificationThreshold: 4.5, weightDecay: 0.1, decoupled: true),
      digest: 0x9274_2503_8ce1_de24),
  ]
}

/// rₜ of ``RAdam``; nil for a step whose ρₜ is not above the threshold, which is at least 4.
func rectification(_ beta2: Double, _ step: Int, above threshold: Double) -> Double? {
  let most = 2 / (1 - beta2) - 1
  let power = power(beta2, step)
  let rho = most - 2 * Double(step) * power / (1 - power)
  if !(rho > threshold) { return nil }
  return ((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)).squareRoot()
}

extension RAdam {
  /// `torch.optim.RAdam`: ε before the correction.
  public static func pyTorch(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, weightDecay: Double = 0, decoupled: Bool = false
  ) -> RAdam {
    RAdam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      epsilonBeforeCorrection: true, weightDecay: weightDecay, decoupled: decoupled)
  }

  /// `optax.radam`, which has no default rate.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    rootEpsilon: Double = 0, rectificationThreshold: Double = 5
  ) -> RAdam {
    RAdam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      rootEpsilon: rootEpsilon, rectificationThreshold: rectificationThreshold)
  }

  /// The paper's algorithm 2: no ε, and every step with a ρₜ above 4 is divided.
  public static func paper(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999
  ) -> RAdam {
    RAdam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: 0,
      rectificationThreshold: 4)
  }
}
