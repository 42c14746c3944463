/// AdaBelief (Zhuang et al. 2020, arXiv:2010.07468, algorithm 2): ``Adam`` that divides by how far
/// gradients are from their mean, rather than by their size.
///
///     m ← m + (1 − β₁)(g − m)
///     s ← β₂ s + (1 − β₂)(g − m)² + εₛ      with the new m
///     x ← x − η/(1 − β₁ᵗ) · m / (√(s/(1 − β₂ᵗ)) + ε)
///
/// The authors' package has one ε for both places, and by default (`rectify`) takes the steps of
/// ``RAdam``: it multiplies them by rₜ, adds ε to √s before the bias is corrected, and leaves out
/// the division where ρₜ is below 5.
///
/// The same rule for devices: Kernels/rules/adabelief.cl.
public struct AdaBelief: UpdateRule {
  public static let name = "adabelief"

  public var learningRate = 1e-3
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.9
  /// β₂, how much of s a step keeps.
  public var beta2 = 0.999
  /// Added to the root.
  public var epsilon = 1e-16
  /// εₛ, added to s at every step.
  public var stateEpsilon = 1e-16
  /// Rectifies early steps as ``RAdam`` does.
  public var rectify = false
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-16, stateEpsilon: Double = 1e-16, rectify: Bool = false,
    weightDecay: Double = 0, decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.stateEpsilon = stateEpsilon
    self.rectify = rectify
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("stateEpsilon", \.stateEpsilon, .atLeastZero),
    .flag("rectify", \.rectify),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "adabelief" }
  public var states: [StateSpec] { [StateSpec("m"), StateSpec("s")] }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    var stepSize, oneMinusBeta1, beta2, oneMinusBeta2, stateEpsilon, rootCorrection, epsilon: T
    var divides: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let rate = learningRate / oneMinusPower(beta1, step)
    let root = oneMinusPower(beta2, step).squareRoot()
    var scalars = Scalars(
      stepSize: T(rate), oneMinusBeta1: T(1 - beta1), beta2: T(beta2), oneMinusBeta2: T(1 - beta2),
      stateEpsilon: T(stateEpsilon), rootCorrection: T(1 / root), epsilon: T(epsilon),
      divides: T(1.0))
    if rectify {
      scalars.rootCorrection = T(1.0)
      // The package takes a ρₜ of 5 too.
      if let rectification = rectification(beta2, step, above: 5.0.nextDown) {
        scalars.stepSize = T(rate * rectification * root)
      } else {
        scalars.divides = T(0.0)
      }
    }
    return scalars
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      let m = state[0] + s.oneMinusBeta1 * (g - state[0])
      let surprise = g - m
      let variance =
        s.beta2 * state[1] + s.oneMinusBeta2 * surprise * surprise + s.stateEpsilon
      (state[0], state[1]) = (m, variance)
      if s.divides == 0 { return s.stepSize * m }
      return quotient(s.stepSize, m, variance.squareRoot() * s.rootCorrection + s.epsilon)
    }
  }

  public static let variants = [
    RuleVariant("adabelief", AdaBelief(), digest: 0xb710_f1e0_ccb0_2432),
    RuleVariant(
      "adabelief coupled",
      AdaBelief(
        learningRate: 0.01, beta1: 0.8, beta2: 0.99, epsilon: 0, stateEpsilon: 1e-8,
        weightDecay: 0.1, maximize: true), digest: 0xde1a_aad1_09ea_09e5),
    RuleVariant(
      "adabelief rectify",
      AdaBelief(
        learningRate: 0.01, epsilon: 1e-8, stateEpsilon: 1e-8, rectify: true, weightDecay: 0.1,
        decoupled: true), digest: 0x272f_3156_6862_920a),
  ]
}

extension AdaBelief {
  /// The authors' package, `adabelief_pytorch.AdaBelief`: rectified, decay decoupled.
  public static func authors(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-16, weightDecay: Double = 0, decoupled: Bool = true, rectify: Bool = true
  ) -> AdaBelief {
    AdaBelief(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      stateEpsilon: epsilon, rectify: rectify, weightDecay: weightDecay, decoupled: decoupled)
  }

  /// `pytorch_optimizer.AdaBelief`: not rectified, decay decoupled.
  public static func pytorchOptimizer(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-16, weightDecay: Double = 0, decoupled: Bool = true
  ) -> AdaBelief {
    AdaBelief(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      stateEpsilon: epsilon, weightDecay: weightDecay, decoupled: decoupled)
  }

  /// `optax.adabelief`, which has no default rate; its `eps_root` is `stateEpsilon`.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-16,
    stateEpsilon: Double = 1e-16
  ) -> AdaBelief {
    AdaBelief(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      stateEpsilon: stateEpsilon)
  }
}
