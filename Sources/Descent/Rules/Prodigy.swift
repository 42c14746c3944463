/// Prodigy (Mishchenko & Defazio 2024, arXiv:2306.06101, algorithm 4): Adam that estimates its own
/// rate, D, the distance from the first parameters to the best ones.
///
///     δ = D η B
///     r ← β₃ r + D/D₀ Σ δ g (x₀ − x)
///     s ← β₃ s + D/D₀ δ g
///     m ← β₁ m + (1 − β₁) D g
///     v ← β₂ v + (1 − β₂) (D g)²
///     D ← max(D, c r/‖s‖₁)
///     x ← x − δ (m / (√v + D ε) + λ x)         with the D before in δ
///
/// η is 1, or a schedule whose greatest rate is 1; B is 1, or with ``biasCorrection``
/// √(1 − β₂ᵗ)/(1 − β₁ᵗ). D and r are numbers of all tensors that follow the rule together, each
/// with the rate of its own group.
///
/// While D is small compared with the parameters, Float holds x₀ − x to a few digits only, and so
/// D. An
/// ``initialScale`` nearer to the distance avoids it.
///
/// The same rule for devices: Kernels/rules/prodigy.cl.
public struct Prodigy: UpdateRule {
  public static let name = "prodigy"

  /// η, a factor of the rate that the rule finds.
  public var learningRate = 1.0
  /// β₁, how much of m a step keeps.
  public var beta1 = 0.9
  /// β₂, how much of v a step keeps.
  public var beta2 = 0.999
  /// β₃, how much of r and s a step keeps; nil is √β₂.
  public var beta3: Double?
  /// Added to the root, times D.
  public var epsilon = 1e-8
  /// D₀, the first estimate of the distance. It may be far too small, not too large.
  public var initialScale = 1e-6
  /// c, a factor of the estimate.
  public var scaleCoefficient = 1.0
  /// Corrects the bias of m and v.
  public var biasCorrection = false
  /// Takes D in place of δ for s, so that a warm-up of η does not raise the estimate.
  public var safeguardWarmup = false
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: x ← x − δλx in addition to the rest of
  /// the step.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1, beta1: Double = 0.9, beta2: Double = 0.999, beta3: Double? = nil,
    epsilon: Double = 1e-8, initialScale: Double = 1e-6, scaleCoefficient: Double = 1,
    biasCorrection: Bool = false, safeguardWarmup: Bool = false, weightDecay: Double = 0,
    decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.beta3 = beta3
    self.epsilon = epsilon
    self.initialScale = initialScale
    self.scaleCoefficient = scaleCoefficient
    self.biasCorrection = biasCorrection
    self.safeguardWarmup = safeguardWarmup
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .optional("beta3", \.beta3, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("initialScale", \.initialScale, .aboveZero),
    .number("scaleCoefficient", \.scaleCoefficient, .atLeastZero),
    .flag("biasCorrection", \.biasCorrection),
    .flag("safeguardWarmup", \.safeguardWarmup),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay {
    decoupled ? .insideRule(weightDecay) : .coupled(weightDecay)
  }
  public var kernel: String { "prodigy" }
  public var states: [StateSpec] {
    [
      StateSpec("x0", start: .parameters), StateSpec("m"), StateSpec("v"), StateSpec("s"),
      StateSpec("d", .model, startingAt: initialScale), StateSpec("r", .model),
      StateSpec("gain", .model, isSaved: false), StateSpec("sNorm", .model, isSaved: false),
    ]
  }
  public var passes: [RulePass] {
    [
      RulePass(
        .sums([RuleSum(.sum, into: "gain"), RuleSum(.sum, into: "sNorm")]),
        kernel: "prodigy_sums"),
      RulePass(.numbers(.model), kernel: "prodigy_numbers"),
      RulePass(
        .elements, kernel: kernel, reading: [.parameters, .state("m"), .state("v")],
        writesStates: false),
    ]
  }
  /// r and s are relative to D₀.
  public var stateMeaning: String { "\(kernel) from \(initialScale)" }

  /// Factors as in prodigy.cl.
  public struct Scalars<T: BinaryFloatingPoint> {
    let rate, beta1, oneMinusBeta1, beta2, oneMinusBeta2, beta3, gain, inverseScale: T
    let coefficient, epsilon, decay: T

    /// Moves s, m and v on, and returns the terms of both sums.
    func terms(_ x: T, _ g: T, _ state: UnsafeMutablePointer<T>, _ d: T) -> (T, T) {
      let scaled = d * g
      state[1] = beta1 * state[1] + oneMinusBeta1 * scaled
      state[2] = beta2 * state[2] + oneMinusBeta2 * scaled * scaled
      state[3] = beta3 * state[3] + gain * d * scaled
      return (rate * (g * (state[0] - x)), state[3] < 0 ? -state[3] : state[3])
    }

    /// Moves D and r on, and leaves the D of this step in place of the first sum.
    func estimate(_ own: UnsafeMutablePointer<T>) {
      let (d, norm) = (own[0], own[3])
      own[1] = beta3 * own[1] + inverseScale * d * (d * own[2])
      let estimate = coefficient * own[1] / norm
      if norm > 0 && estimate > d { own[0] = estimate }
      own[2] = norm > 0 ? d : 0
    }

    func step(_ x: T, _ m: T, _ v: T, _ d: T, next: T) -> T {
      let delta = rate * d
      let root = v.squareRoot() + epsilon * next
      let u = quotient(delta, m, root)
      return decay == 0 ? u : u + decay * delta * x
    }
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let correction =
      biasCorrection ? oneMinusPower(beta2, step).squareRoot() / oneMinusPower(beta1, step) : 1
    let rate = learningRate * correction
    let gain = (safeguardWarmup ? 1 : rate) / initialScale
    let (beta3, decay) = (self.beta3 ?? beta2.squareRoot(), decoupled ? weightDecay : 0)
    return Scalars(
      rate: T(rate), beta1: T(beta1), oneMinusBeta1: T(1 - beta1), beta2: T(beta2),
      oneMinusBeta2: T(1 - beta2), beta3: T(beta3), gain: T(gain),
      inverseScale: T(1 / initialScale),
      coefficient: T(scaleCoefficient), epsilon: T(epsilon), decay: T(decay))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    switch elements.pass {
    case 0:
      elements.sum { x, g, state, number, term in
        (term[0], term[1]) = s.terms(x, g, state, number[0])
      }
    case 1: elements.each { own, _ in s.estimate(own) }
    default:
      elements.updateWithNumbers { x, _, state, number in
        s.step(x, state[1], state[2], number[2], next: number[0])
      }
    }
  }

  public static let variants = [
    RuleVariant("prodigy", Prodigy(), digest: 0x8dcd_8afa_d3b4_e018),
    RuleVariant(
      "prodigy corrected",
      Prodigy(
        learningRate: 0.5, beta1: 0.8, beta2: 0.99, beta3: 0.98, epsilon: 1e-6,
        initialScale: 1e-2, scaleCoefficient: 0.5, biasCorrection: true, safeguardWarmup: true,
        weightDecay: 0.01, decoupled: true), digest: 0xeec0_a9e7_5ad6_ecd1),
    RuleVariant(
      "prodigy coupled", Prodigy(initialScale: 1e-3, weightDecay: 0.1, maximize: true),
      digest: 0x4437_0614_0d9b_5e94),
  ]
}

extension Prodigy {
  /// `prodigyopt.Prodigy`, the authors' own.
  public static func paper(
    learningRate: Double = 1, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    initialScale: Double = 1e-6, scaleCoefficient: Double = 1, biasCorrection: Bool = false,
    safeguardWarmup: Bool = false, weightDecay: Double = 0, decoupled: Bool = true
  ) -> Prodigy {
    Prodigy(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      initialScale: initialScale, scaleCoefficient: scaleCoefficient,
      biasCorrection: biasCorrection, safeguardWarmup: safeguardWarmup, weightDecay: weightDecay,
      decoupled: decoupled)
  }

  /// `optax.contrib.prodigy`, which corrects the bias.
  public static func optax(
    learningRate: Double = 1, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    initialScale: Double = 1e-6, scaleCoefficient: Double = 1, safeguardWarmup: Bool = false,
    weightDecay: Double = 0
  ) -> Prodigy {
    Prodigy(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      initialScale: initialScale, scaleCoefficient: scaleCoefficient, biasCorrection: true,
      safeguardWarmup: safeguardWarmup, weightDecay: weightDecay, decoupled: true)
  }
}
