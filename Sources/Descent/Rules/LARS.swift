/// LARS (You, Gitman & Ginsburg 2017, arXiv:1708.03888): momentum, at a rate for each tensor that
/// follows from its length and its gradient's.
///
///     d = g + λ x
///     r = κ ‖x‖ / (‖g‖ + λ‖x‖ + ε)
///     b ← γ b + r d
///     x ← x − η b
///
/// The norms are those of each tensor. The ratio r is 1 where a norm is 0, and unless
/// ``alwaysAdapt`` is set where λ is 0, as for a group of biases that is not decayed. For training
/// with large batches.
///
/// | form | flags | who |
/// |---|---|---|
/// | above | none | timm, apex' LARC without clip |
/// | r ← min(r/η, 1) | `trustClip` | LARC |
/// | b ← γb + ηrd; x ← x − b | `learningRateInBuffer` | the paper, Optax |
/// | r = κ‖x‖/(‖d‖ + ε) | `normOfDecayedGradient` | Optax |
///
/// The same rule for devices: Kernels/rules/lars.cl.
public struct LARS: UpdateRule {
  public static let name = "lars"

  public var learningRate = 1.0
  /// γ.
  public var momentum = 0.9
  /// κ.
  public var trustCoefficient = 1e-3
  /// Added to the ratio's denominator.
  public var epsilon = 1e-8
  /// Steps along γb + rd instead of b.
  public var nesterov = false
  /// The buffer holds steps rather than gradients.
  public var learningRateInBuffer = false
  /// Divides by the norm of d rather than by ‖g‖ + λ‖x‖.
  public var normOfDecayedGradient = false
  /// Takes the ratio also where λ is 0.
  public var alwaysAdapt = true
  /// Divides the ratio by η and lets it be 1 at most, so that no tensor's rate is above η.
  public var trustClip = false
  /// λ. It is part of d and so has the ratio too: the method's only form.
  public var weightDecay = 0.0
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1, momentum: Double = 0.9, trustCoefficient: Double = 1e-3,
    epsilon: Double = 1e-8, nesterov: Bool = false, learningRateInBuffer: Bool = false,
    normOfDecayedGradient: Bool = false, alwaysAdapt: Bool = true, trustClip: Bool = false,
    weightDecay: Double = 0, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.trustCoefficient = trustCoefficient
    self.epsilon = epsilon
    self.nesterov = nesterov
    self.learningRateInBuffer = learningRateInBuffer
    self.normOfDecayedGradient = normOfDecayedGradient
    self.alwaysAdapt = alwaysAdapt
    self.trustClip = trustClip
    self.weightDecay = weightDecay
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("momentum", \.momentum, .fromZeroToBelowOne),
    .number("trustCoefficient", \.trustCoefficient, .atLeastZero),
    .number("epsilon", \.epsilon, .atLeastZero),
    .flag("nesterov", \.nesterov),
    .flag("learningRateInBuffer", \.learningRateInBuffer),
    .flag("normOfDecayedGradient", \.normOfDecayedGradient),
    .flag("alwaysAdapt", \.alwaysAdapt),
    .flag("trustClip", \.trustClip),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .fixed("decoupled", false),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { .insideRule(weightDecay) }
  public var kernel: String { "lars" }
  public var states: [StateSpec] {
    [
      StateSpec("b"), StateSpec("parameterNorm", .tensor, isSaved: false),
      StateSpec("gradientNorm", .tensor, isSaved: false),
    ]
  }
  public var passes: [RulePass] {
    [
      RulePass(
        .sums([RuleSum(.norm, into: "parameterNorm"), RuleSum(.norm, into: "gradientNorm")]),
        kernel: "lars_sums", reading: [.parameters, .gradients], writesStates: false),
      RulePass(.numbers(.tensor), kernel: "lars_ratio"),
      RulePass(.elements, kernel: kernel),
    ]
  }
  /// A buffer of steps is no buffer of gradients.
  public var stateMeaning: String { kernel + (learningRateInBuffer ? " of steps" : "") }

  /// Factors as in lars.cl; the switches are 0 or 1.
  public struct Scalars<T: BinaryFloatingPoint> {
    let momentum, gain, nextMomentum, rate, decay, decayOfTerm, decayOfNorm, epsilon, trust: T
    let adaptedGain, adapts, clipsRatio, learningRate: T

    func term(_ x: T, _ g: T) -> T { decayOfTerm == 0 ? g : g + decayOfTerm * x }

    /// The factors of a tensor's gradient, in place of the norms.
    func factors(_ norm: inout T, _ gradient: inout T) {
      let divisor =
        decayOfNorm == 0 ? gradient + epsilon : gradient + decayOfNorm * norm + epsilon
      var length = gradient > 0 && adapts != 0 ? norm : 0
      if clipsRatio != 0 && trust * length > learningRate * divisor { length = 0 }
      let isAdapted = length > 0
      norm = isAdapted ? adaptedGain * length : gain
      gradient = isAdapted ? divisor : 1
    }

    func step(_ x: T, _ g: T, _ b: inout T, _ factor: T, _ divisor: T) -> T {
      let d = factor * ((decay == 0 ? g : g + decay * x) / divisor)
      b = momentum * b + d
      return rate * (nextMomentum == 0 ? b : nextMomentum * b + d)
    }
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let gain = learningRateInBuffer ? learningRate : 1
    // Where η is 0 a ratio that is divided by it is above 1.
    let clipping = trustClip && learningRate != 0 ? learningRate : 1
    let quotient = gain * trustCoefficient / clipping
    // A rate may be so small that the quotient is more than a Float, and the ratio nearly always 1.
    let limit = trustClip ? Double(Float.greatestFiniteMagnitude) : .infinity
    let (nextMomentum, rate) = (nesterov ? momentum : 0, learningRateInBuffer ? 1 : learningRate)
    let decayOfTerm = normOfDecayedGradient ? weightDecay : 0
    let decayOfNorm = normOfDecayedGradient ? 0 : weightDecay
    let adapts = alwaysAdapt || weightDecay != 0 ? 1.0 : 0
    let clipsRatio = trustClip ? 1.0 : 0
    return Scalars(
      momentum: T(momentum), gain: T(gain), nextMomentum: T(nextMomentum), rate: T(rate),
      decay: T(weightDecay), decayOfTerm: T(decayOfTerm), decayOfNorm: T(decayOfNorm),
      epsilon: T(epsilon), trust: T(trustCoefficient),
      adaptedGain: T(min(quotient, limit)), adapts: T(adapts),
      clipsRatio: T(clipsRatio),
      learningRate: T(learningRate))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    switch elements.pass {
    case 0: elements.sum { x, g, _, _, term in (term[0], term[1]) = (x, s.term(x, g)) }
    case 1: elements.each { own, _ in s.factors(&own[0], &own[1]) }
    default:
      elements.updateWithNumbers { x, g, state, number in
        s.step(x, g, &state[0], number[0], number[1])
      }
    }
  }

  public static let variants = [
    RuleVariant("lars", LARS(learningRate: 1, weightDecay: 1e-4), digest: 0xe293_293e_4e82_6a23),
    RuleVariant(
      "lars optax",
      LARS(
        learningRate: 0.1, momentum: 0.8, trustCoefficient: 0.02, epsilon: 1e-3, nesterov: true,
        learningRateInBuffer: true, normOfDecayedGradient: true, weightDecay: 0.01,
        maximize: true), digest: 0x9eb6_1204_c739_d589),
    RuleVariant(
      "lars clipped ratio",
      LARS(
        learningRate: 0.01, trustCoefficient: 0.02, alwaysAdapt: false, trustClip: true,
        weightDecay: 0.01), digest: 0x8259_9213_f6f3_2f27),
    RuleVariant(
      "lars unadapted", LARS(learningRate: 0.01, alwaysAdapt: false),
      digest: 0x5eb5_6e77_b789_8386),
  ]
}

extension LARS {
  /// `timm.optim.Lars`: what is not decayed has a ratio of 1.
  public static func timm(
    learningRate: Double = 1, momentum: Double = 0.9, nesterov: Bool = false,
    trustCoefficient: Double = 1e-3, epsilon: Double = 1e-8, alwaysAdapt: Bool = false,
    trustClip: Bool = false, weightDecay: Double = 0
  ) -> LARS {
    LARS(
      learningRate: learningRate, momentum: momentum, trustCoefficient: trustCoefficient,
      epsilon: epsilon, nesterov: nesterov, alwaysAdapt: alwaysAdapt, trustClip: trustClip,
      weightDecay: weightDecay)
  }

  /// `optax.lars`, which has no default rate.
  public static func optax(
    learningRate: Double, momentum: Double = 0.9, nesterov: Bool = false,
    trustCoefficient: Double = 1e-3, epsilon: Double = 0, weightDecay: Double = 0
  ) -> LARS {
    LARS(
      learningRate: learningRate, momentum: momentum, trustCoefficient: trustCoefficient,
      epsilon: epsilon, nesterov: nesterov, learningRateInBuffer: true,
      normOfDecayedGradient: true, weightDecay: weightDecay)
  }

  /// The paper's method, with the decay of its experiments, 5e-4.
  public static func paper(
    learningRate: Double, trustCoefficient: Double = 1e-3, weightDecay: Double = 5e-4
  ) -> LARS {
    LARS(
      learningRate: learningRate, trustCoefficient: trustCoefficient, epsilon: 0,
      learningRateInBuffer: true, weightDecay: weightDecay)
  }

  /// LARC, as NVIDIA apex' `LARC` wraps SGD.
  public static func apex(
    learningRate: Double, momentum: Double = 0.9, trustCoefficient: Double = 0.02,
    epsilon: Double = 1e-8, trustClip: Bool = true, weightDecay: Double = 0
  ) -> LARS {
    LARS(
      learningRate: learningRate, momentum: momentum, trustCoefficient: trustCoefficient,
      epsilon: epsilon, trustClip: trustClip, weightDecay: weightDecay)
  }
}
