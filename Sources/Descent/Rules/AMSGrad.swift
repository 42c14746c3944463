/// AMSGrad (Reddi, Kale & Kumar 2018): ``Adam`` whose denominator never falls.
///
///     v̂ ← max(v̂, v)               and v̂ takes v's place
///
/// PyTorch and Keras take the maximum of the uncorrected v and correct its bias afterwards, which
/// is the default here; Optax corrects first (`amsgradMaxOfCorrected`), a larger denominator early
/// on; the paper corrects nothing. Every other hyper-parameter is Adam's.
@dynamicMemberLookup
public struct AMSGrad: UpdateRule {
  public static let name = "amsgrad"

  var adam = Adam()
  /// Takes the maximum of v/(1 − β₂ᵗ) instead of v.
  public var amsgradMaxOfCorrected = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    rootEpsilon: Double = 0, amsgradMaxOfCorrected: Bool = false,
    epsilonBeforeCorrection: Bool = false, biasCorrection1: Bool = true,
    biasCorrection2: Bool = true, weightDecay: Double = 0, decoupled: Bool = false,
    maximize: Bool = false
  ) {
    adam = Adam(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      rootEpsilon: rootEpsilon, epsilonBeforeCorrection: epsilonBeforeCorrection,
      biasCorrection1: biasCorrection1, biasCorrection2: biasCorrection2,
      weightDecay: weightDecay, decoupled: decoupled, maximize: maximize)
    self.amsgradMaxOfCorrected = amsgradMaxOfCorrected
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
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled: Bool {
    get { adam.decoupled }
    set { adam.decoupled = newValue }
  }
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
    .fixed("amsgrad", true),
    .flag("amsgradMaxOfCorrected", \.amsgradMaxOfCorrected),
    .flag("epsilonBeforeCorrection", \.adam.epsilonBeforeCorrection),
    .flag("biasCorrection1", \.adam.biasCorrection1),
    .flag("biasCorrection2", \.adam.biasCorrection2),
    .number("weightDecay", \.adam.weightDecay, .atLeastZero),
    .flag("decoupled", \.adam.decoupled),
    .flag("maximize", \.adam.maximize),
  ]

  public var conflict: String? {
    amsgradMaxOfCorrected && adam.epsilonBeforeCorrection
      ? "amsgradMaxOfCorrected and epsilonBeforeCorrection together are no known method"
      : adam.conflict
  }

  public var appliedDecay: WeightDecay { adam.appliedDecay }
  public var kernel: String { "amsgrad" }
  public var states: [StateSpec] { [StateSpec("m"), StateSpec("v"), StateSpec("vmax")] }
  public var stateMeaning: String {
    kernel + (amsgradMaxOfCorrected ? " of corrected squares" : "")
  }

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Adam.Scalars<T> {
    adam.scalars(at: step, maximumOfCorrected: amsgradMaxOfCorrected)
  }
  public typealias KernelScalars = Adam.Scalars<Float>

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Adam.Scalars<T> = scalars(at: step)
    elements.update { _, g, state in
      s.step(g, &state[0], &state[1], maximum: state + 2)
    }
  }

  public static let variants = [
    RuleVariant("amsgrad", AMSGrad(learningRate: 1e-3), digest: 0x5af4_8e7e_6dcd_320c),
    RuleVariant(
      "amsgrad amsgradMaxOfCorrected",
      AMSGrad(
        learningRate: 0.01, beta2: 0.9, amsgradMaxOfCorrected: true, weightDecay: 0.1,
        decoupled: true), digest: 0x77b5_8e18_daef_a35e),
  ]
}

extension AMSGrad {
  /// `torch.optim.Adam(amsgrad=True)`.
  public static func pyTorch(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, weightDecay: Double = 0
  ) -> AMSGrad {
    AMSGrad(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      weightDecay: weightDecay)
  }

  /// `optax.amsgrad`, which has no default rate.
  public static func optax(
    learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8
  ) -> AMSGrad {
    AMSGrad(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      amsgradMaxOfCorrected: true)
  }

  /// `keras.optimizers.Adam(amsgrad=True)`.
  public static func keras(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-7, weightDecay: Double = 0
  ) -> AMSGrad {
    AMSGrad(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      epsilonBeforeCorrection: true, weightDecay: weightDecay, decoupled: true)
  }

  /// The paper's method, which corrects no bias.
  public static func paper(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8
  ) -> AMSGrad {
    AMSGrad(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      biasCorrection1: false, biasCorrection2: false)
  }
}
