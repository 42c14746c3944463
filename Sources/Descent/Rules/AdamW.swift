/// Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101):
/// x ← x − (u + ηλx) for the step u of ``Adam``.
///
/// The decay is scaled by the learning rate, as in PyTorch and Keras. Every other hyper-parameter
/// is Adam's.
@dynamicMemberLookup
public struct AdamW: UpdateRule {
  public static let name = "adamw"

  var adam = Adam(learningRate: 1e-3, weightDecay: 0.01, decoupled: true)

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    rootEpsilon: Double = 0, epsilonBeforeCorrection: Bool = false, biasCorrection1: Bool = true,
    biasCorrection2: Bool = true, weightDecay: Double = 0.01, maximize: Bool = false
  ) {
    adam = Adam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      rootEpsilon: rootEpsilon, epsilonBeforeCorrection: epsilonBeforeCorrection,
      biasCorrection1: biasCorrection1, biasCorrection2: biasCorrection2,
      weightDecay: weightDecay, decoupled: true, maximize: maximize)
  }

  /// The same method; nil where `adam` does not decouple its decay.
  init?(_ adam: Adam) {
    if !adam.decoupled { return nil }
    self.adam = adam
  }

  /// Adam's hyper-parameters under their own names.
  public subscript<Value>(dynamicMember path: WritableKeyPath<Adam, Value>) -> Value {
    get { adam[keyPath: path] }
    set { adam[keyPath: path] = newValue }
  }

  public var learningRate: Double {
    get { adam.learningRate }
    set { adam.learningRate = newValue }
  }
  public var weightDecay: Double {
    get { adam.weightDecay }
    set { adam.weightDecay = newValue }
  }
  public var appliedDecay: WeightDecay { .decoupled(weightDecay) }
  public var maximize: Bool {
    get { adam.maximize }
    set { adam.maximize = newValue }
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.adam.learningRate, .atLeastZero),
    .number("beta1", \.adam.beta1, .fromZeroToBelowOne),
    .number("beta2", \.adam.beta2, .fromZeroToBelowOne),
    .number("epsilon", \.adam.epsilon, .atLeastZero),
    .number("rootEpsilon", \.adam.rootEpsilon, .atLeastZero),
    .flag("epsilonBeforeCorrection", \.adam.epsilonBeforeCorrection),
    .flag("biasCorrection1", \.adam.biasCorrection1),
    .flag("biasCorrection2", \.adam.biasCorrection2),
    .number("weightDecay", \.adam.weightDecay, .atLeastZero),
    .fixed("decoupled", true),
    .flag("maximize", \.adam.maximize),
  ]

  public var conflict: String? { adam.conflict }
  public var kernel: String { adam.kernel }
  public var states: [StateSpec] { adam.states }

  public func scalars(at step: Int) -> Adam.Scalars<Float> { adam.scalars(at: step) }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    adam.reference(elements, at: step)
  }

  public static let variants = [
    RuleVariant("adamw", AdamW(learningRate: 1e-3), digest: 0xd648_d251_e301_3255)
  ]
}

extension AdamW {
  /// `torch.optim.AdamW`.
  public static func pyTorch(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, weightDecay: Double = 0.01
  ) -> AdamW {
    AdamW(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      weightDecay: weightDecay)
  }

  /// `optax.adamw`, which has no default rate.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    rootEpsilon: Double = 0, weightDecay: Double = 1e-4
  ) -> AdamW {
    AdamW(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      rootEpsilon: rootEpsilon, weightDecay: weightDecay)
  }

  /// `keras.optimizers.AdamW`: ε of 1e-7, before the correction.
  public static func keras(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-7, weightDecay: Double = 0.004
  ) -> AdamW {
    AdamW(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      epsilonBeforeCorrection: true, weightDecay: weightDecay)
  }
}
