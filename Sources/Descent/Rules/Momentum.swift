/// Momentum (Polyak 1964) in the forms of the literature and of the libraries.
///
/// | form | flags | who |
/// |---|---|---|
/// | b ← γb + g; x ← x − ηb | none | PyTorch, Optax |
/// | V ← γV + ηg; x ← x − V | `learningRateInBuffer` | the literature's accumulated form, Keras |
/// | V ← γV + (1−γ)g; x ← x − ηV | `exponentialAverage` | the literature's averaged form |
///
/// At a constant rate the first two are one method, and the third is it at the rate that
/// ``averagedLearningRate(accumulated:momentum:)`` and
/// ``accumulatedLearningRate(averaged:momentum:)`` convert to. Under a schedule they differ:
/// outside the buffer, past gradients are scaled by the current rate; inside, they keep the rate of
/// their own step.
///
/// `nesterov` is the one-gradient form of Nesterov's method, as PyTorch, Optax and Keras have it.
/// The look-ahead method itself is ``Nesterov``.
///
/// The same rule for devices: Kernels/rules/momentum.cl.
public struct Momentum: UpdateRule {
  public static let name = "momentum"

  public var learningRate = 0.01
  /// γ.
  public var momentum = 0.9
  /// The gradient enters the buffer times 1 − dampening.
  public var dampening = 0.0
  /// Steps along γb + g instead of b.
  public var nesterov = false
  /// The buffer holds steps (V) rather than gradients (b).
  public var learningRateInBuffer = false
  /// The gradient enters the buffer times 1 − γ.
  public var exponentialAverage = false
  /// Divides the average by 1 − γᵗ, so that it starts unbiased.
  public var biasCorrection = false
  /// The first gradient enters the buffer whole, as PyTorch does it.
  public var firstStepUndamped = false
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 0.01, momentum: Double = 0.9, dampening: Double = 0,
    nesterov: Bool = false,
    learningRateInBuffer: Bool = false, exponentialAverage: Bool = false,
    biasCorrection: Bool = false, firstStepUndamped: Bool = false, weightDecay: Double = 0,
    decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.dampening = dampening
    self.nesterov = nesterov
    self.learningRateInBuffer = learningRateInBuffer
    self.exponentialAverage = exponentialAverage
    self.biasCorrection = biasCorrection
    self.firstStepUndamped = firstStepUndamped
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("momentum", \.momentum, .fromZeroToBelowOne),
    .number("dampening", \.dampening, .fromZeroToOne),
    .flag("nesterov", \.nesterov),
    .flag("learningRateInBuffer", \.learningRateInBuffer),
    .flag("exponentialAverage", \.exponentialAverage),
    .flag("biasCorrection", \.biasCorrection),
    .flag("firstStepUndamped", \.firstStepUndamped),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var conflict: String? {
    if nesterov && dampening != 0 { return "nesterov needs a dampening of 0" }
    if nesterov && exponentialAverage {
      return "nesterov and exponentialAverage together are no known method"
    }
    if exponentialAverage && dampening != 0 {
      return "exponentialAverage sets the dampening itself; leave it at 0"
    }
    if biasCorrection && !exponentialAverage {
      return "biasCorrection needs exponentialAverage"
    }
    return nil
  }

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { nesterov ? "momentum_nesterov" : "momentum" }
  public var states: [StateSpec] { [StateSpec("b")] }
  /// A buffer of steps is no buffer of gradients, and an average is no sum.
  public var stateMeaning: String {
    kernel + (learningRateInBuffer ? " of steps" : "") + (exponentialAverage ? ", averaged" : "")
  }

  /// One structure for every form; momentum.cl says what each factor multiplies.
  public struct Scalars<T: BinaryFloatingPoint> {
    let momentum, gain, nextMomentum, direct, rate: T

    /// b ← momentum·b + gain·g; the step is rate·b, or with Nesterov
    /// rate·(nextMomentum·b + direct·g).
    func step(_ g: T, _ b: inout T, nesterov: Bool) -> T {
      b = momentum * b + gain * g
      return rate * (nesterov ? nextMomentum * b + direct * g : b)
    }
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let rateInside = learningRateInBuffer ? learningRate : 1
    var gain = exponentialAverage ? 1 - momentum : 1 - dampening
    if firstStepUndamped && step == 1 { gain = 1 }
    let correction = biasCorrection ? oneMinusPower(momentum, step) : 1
    return Scalars(
      momentum: T(momentum), gain: T(gain * rateInside), nextMomentum: T(momentum),
      direct: T(rateInside), rate: T((learningRateInBuffer ? 1 : learningRate) / correction))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      s.step(g, &state[0], nesterov: nesterov)
    }
  }

  public static let variants = [
    RuleVariant("momentum", Momentum(learningRate: 0.01), digest: 0x6881_f9b7_59fa_fdf9),
    RuleVariant(
      "momentum nesterov", Momentum(learningRate: 0.01, nesterov: true),
      digest: 0xebea_97b6_e9fd_768f),
    RuleVariant(
      "momentum accumulated",
      Momentum(learningRate: 0.01, learningRateInBuffer: true, weightDecay: 0.1),
      digest: 0xfda4_2054_882a_6a41),
    RuleVariant(
      "momentum averaged",
      Momentum(
        learningRate: 0.1, exponentialAverage: true, biasCorrection: true, weightDecay: 0.1,
        decoupled: true), digest: 0x046f_1941_4bd3_88a3),
    RuleVariant(
      "momentum dampened",
      Momentum(learningRate: 0.01, dampening: 0.1, firstStepUndamped: true, maximize: true),
      digest: 0x9f58_9785_f6a2_3076),
  ]
}

extension Momentum {
  /// The literature's accumulated form: V ← γV + ηg; x ← x − V.
  public static func accumulated(learningRate: Double, momentum: Double = 0.9) -> Momentum {
    Momentum(learningRate: learningRate, momentum: momentum, learningRateInBuffer: true)
  }

  /// The literature's exponentially averaged form: V ← γV + (1−γ)g; x ← x − ηV.
  public static func averaged(learningRate: Double, momentum: Double = 0.9) -> Momentum {
    Momentum(learningRate: learningRate, momentum: momentum, exponentialAverage: true)
  }

  /// The rate at which the averaged form takes the steps that the accumulated form takes at `rate`:
  /// η/(1 − γ). Exact for constant η and γ.
  public static func averagedLearningRate(accumulated rate: Double, momentum: Double) -> Double {
    rate / (1 - momentum)
  }

  /// The rate at which the accumulated form takes the steps that the averaged form takes at `rate`:
  /// η(1 − γ). Exact for constant η and γ.
  public static func accumulatedLearningRate(averaged rate: Double, momentum: Double) -> Double {
    rate * (1 - momentum)
  }

  /// `torch.optim.SGD` with momentum. PyTorch lets the first gradient in whole wherever it dampens.
  public static func pyTorch(
    learningRate: Double = 1e-3, momentum: Double = 0.9, dampening: Double = 0,
    nesterov: Bool = false, weightDecay: Double = 0
  ) -> Momentum {
    Momentum(
      learningRate: learningRate, momentum: momentum, dampening: dampening, nesterov: nesterov,
      firstStepUndamped: dampening != 0, weightDecay: weightDecay)
  }

  /// `optax.sgd` with momentum, which has no default rate.
  public static func optax(
    learningRate: Double, momentum: Double = 0.9, nesterov: Bool = false
  ) -> Momentum {
    Momentum(learningRate: learningRate, momentum: momentum, nesterov: nesterov)
  }

  /// `keras.optimizers.SGD` with momentum; Keras keeps the rate in the buffer and decouples the
  /// decay.
  public static func keras(
    learningRate: Double = 0.01, momentum: Double = 0.9, nesterov: Bool = false,
    weightDecay: Double = 0
  ) -> Momentum {
    Momentum(
      learningRate: learningRate, momentum: momentum, nesterov: nesterov,
      learningRateInBuffer: true, weightDecay: weightDecay, decoupled: true)
  }
}
