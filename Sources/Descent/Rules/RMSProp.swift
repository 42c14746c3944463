/// RMSProp (Hinton 2012), plain, centred (Graves 2013), and with momentum in either form.
///
///     v ← ρ v + (1 − ρ) g²
///     a ← ρ a + (1 − ρ) g          centred: w = max(v − a², 2⁻²⁴ v); otherwise w = v
///     d = g / (√(w + εᵣ) + ε)
///     x ← x − η d                  or d through a momentum buffer, as in ``Momentum``
///
/// The buffer exists where `momentum` is not 0.
///
/// The same rule for devices: Kernels/rules/rmsprop.cl.
public struct RMSProp: UpdateRule {
  public static let name = "rmsprop"

  public var learningRate = 0.01
  /// ρ.
  public var decay = 0.99
  /// Added to the root.
  public var epsilon = 1e-8
  /// Added under the root.
  public var rootEpsilon = 0.0
  /// γ; 0 keeps no buffer.
  public var momentum = 0.0
  /// Subtracts the squared mean of the gradients: divides by their deviation rather than their
  /// size.
  public var centered = false
  /// The momentum buffer holds steps rather than scaled gradients.
  public var learningRateInBuffer = false
  /// Steps along γb + d instead of b.
  public var nesterov = false
  /// Divides v and a by 1 − ρᵗ on reading.
  public var biasCorrection = false
  /// v before the first step.
  public var initialAccumulator = 0.0
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 0.01, decay: Double = 0.99, epsilon: Double = 1e-8,
    rootEpsilon: Double = 0,
    momentum: Double = 0, centered: Bool = false, learningRateInBuffer: Bool = false,
    nesterov: Bool = false, biasCorrection: Bool = false, initialAccumulator: Double = 0,
    weightDecay: Double = 0, decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.decay = decay
    self.epsilon = epsilon
    self.rootEpsilon = rootEpsilon
    self.momentum = momentum
    self.centered = centered
    self.learningRateInBuffer = learningRateInBuffer
    self.nesterov = nesterov
    self.biasCorrection = biasCorrection
    self.initialAccumulator = initialAccumulator
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("decay", \.decay, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("rootEpsilon", \.rootEpsilon, .atLeastZero),
    .number("momentum", \.momentum, .fromZeroToBelowOne),
    .flag("centered", \.centered),
    .flag("learningRateInBuffer", \.learningRateInBuffer),
    .flag("nesterov", \.nesterov),
    .flag("biasCorrection", \.biasCorrection),
    .number("initialAccumulator", \.initialAccumulator, .atLeastZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var conflict: String? {
    nesterov && momentum == 0 ? "nesterov needs a momentum above 0" : nil
  }

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String {
    let buffer = momentum == 0 ? "" : nesterov ? "_nesterov" : "_momentum"
    return "rmsprop" + (centered ? "_centered" : "") + buffer
  }
  public var states: [StateSpec] {
    [StateSpec("v", startingAt: initialAccumulator)] + (centered ? [StateSpec("gavg")] : [])
      + (momentum == 0 ? [] : [StateSpec("b")])
  }
  public var stateMeaning: String {
    kernel + (learningRateInBuffer && momentum != 0 ? " of steps" : "")
  }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let decay, oneMinusDecay, correction, rootEpsilon, epsilon, gain, momentum, rate: T
  }
  public typealias KernelScalars = Scalars<Float>

  /// Without a buffer the rate scales the gradient, as inside a buffer: η g/(√w + ε).
  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let rateFirst = learningRateInBuffer || momentum == 0
    let correction = biasCorrection ? oneMinusPower(decay, step) : 1
    return Scalars(
      decay: T(decay), oneMinusDecay: T(1 - decay), correction: T(1 / correction),
      rootEpsilon: T(rootEpsilon), epsilon: T(epsilon), gain: T(rateFirst ? learningRate : 1),
      momentum: T(momentum), rate: T(rateFirst ? 1 : learningRate))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    let buffer = states.count - 1
    elements.update { _, g, state in
      state[0] = s.decay * state[0] + s.oneMinusDecay * (g * g)
      var w = state[0] * s.correction
      if centered {
        state[1] = s.decay * state[1] + s.oneMinusDecay * g
        let mean = state[1] * s.correction
        let least = 0x1p-24 * w
        w = w - mean * mean
        w = w < least ? least : w
      }
      var d = quotient(s.gain, g, (w + s.rootEpsilon).squareRoot() + s.epsilon)
      if momentum != 0 {
        let b = s.momentum * state[buffer] + d
        state[buffer] = b
        d = nesterov ? s.momentum * b + d : b
      }
      return s.rate * d
    }
  }

  public static let variants = [
    RuleVariant("rmsprop", RMSProp(learningRate: 0.01), digest: 0x7fcb_8510_a911_6bf0),
    RuleVariant(
      "rmsprop rootEpsilon",
      RMSProp(
        learningRate: 0.01, decay: 0.9, epsilon: 0, rootEpsilon: 1e-7, biasCorrection: true,
        initialAccumulator: 0.1, weightDecay: 0.1, decoupled: true), digest: 0x6917_eead_b0f8_389f),
    RuleVariant(
      "rmsprop centered", RMSProp(learningRate: 0.01, centered: true, weightDecay: 0.1),
      digest: 0xd4d9_cc49_3f57_5187),
    RuleVariant(
      "rmsprop momentum", RMSProp(learningRate: 0.01, momentum: 0.9, maximize: true),
      digest: 0xb3c9_9df0_42f7_0f46),
    RuleVariant(
      "rmsprop nesterov",
      RMSProp(learningRate: 0.01, momentum: 0.9, learningRateInBuffer: true, nesterov: true),
      digest: 0xd2bf_5140_9192_5baa),
    RuleVariant(
      "rmsprop centered momentum",
      RMSProp(
        learningRate: 0.01, rootEpsilon: 1e-5, momentum: 0.9, centered: true,
        learningRateInBuffer: true), digest: 0x5f84_9ef9_0b1a_744d),
    RuleVariant(
      "rmsprop centered nesterov",
      RMSProp(learningRate: 0.01, momentum: 0.9, centered: true, nesterov: true),
      digest: 0x731e_6cff_baca_6743),
  ]
}

extension RMSProp {
  /// `torch.optim.RMSprop`: ε outside the root, the rate outside the buffer.
  public static func pyTorch(
    learningRate: Double = 0.01, decay: Double = 0.99, epsilon: Double = 1e-8,
    weightDecay: Double = 0, momentum: Double = 0, centered: Bool = false
  ) -> RMSProp {
    RMSProp(
      learningRate: learningRate, decay: decay, epsilon: epsilon, momentum: momentum,
      centered: centered, weightDecay: weightDecay)
  }

  /// `optax.rmsprop`: ε inside the root, the rate in the buffer; no default rate.
  public static func optax(
    learningRate: Double, decay: Double = 0.9, rootEpsilon: Double = 1e-8,
    initialAccumulator: Double = 0, centered: Bool = false, momentum: Double = 0,
    nesterov: Bool = false, biasCorrection: Bool = false
  ) -> RMSProp {
    RMSProp(
      learningRate: learningRate, decay: decay, epsilon: 0, rootEpsilon: rootEpsilon,
      momentum: momentum, centered: centered, learningRateInBuffer: true, nesterov: nesterov,
      biasCorrection: biasCorrection, initialAccumulator: initialAccumulator)
  }

  /// `keras.optimizers.RMSprop`: ε inside the root, the rate in the buffer; Keras decouples the
  /// decay.
  public static func keras(
    learningRate: Double = 1e-3, decay: Double = 0.9, momentum: Double = 0,
    rootEpsilon: Double = 1e-7, centered: Bool = false, weightDecay: Double = 0
  ) -> RMSProp {
    RMSProp(
      learningRate: learningRate, decay: decay, epsilon: 0, rootEpsilon: rootEpsilon,
      momentum: momentum, centered: centered, learningRateInBuffer: true,
      weightDecay: weightDecay, decoupled: true)
  }

  /// Hinton's slide (Coursera, lecture 6e): ρ 0.9, a rate of 0.001.
  public static func paper(learningRate: Double = 1e-3, decay: Double = 0.9) -> RMSProp {
    RMSProp(learningRate: learningRate, decay: decay)
  }
}
