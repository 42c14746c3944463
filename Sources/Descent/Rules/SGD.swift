/// Stochastic gradient descent (Robbins & Monro 1951): x ← x − η g.
///
/// The same rule for devices: Kernels/rules/sgd.cl.
public struct SGD: UpdateRule {
  public static let name = "sgd"

  public var learningRate = 0.01
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 0.01, weightDecay: Double = 0, decoupled: Bool = false,
    maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "sgd" }
  public var states: [StateSpec] { [] }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let learningRate: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    Scalars(learningRate: T(learningRate))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    elements.update { _, g, _ in
      s.learningRate * g
    }
  }

  public static let variants = [
    RuleVariant("sgd", SGD(learningRate: 0.01), digest: 0x5163_f31a_4523_2d00),
    RuleVariant(
      "sgd coupled", SGD(learningRate: 0.01, weightDecay: 0.1, maximize: true),
      digest: 0xb59b_b1d4_6a32_424e),
    RuleVariant(
      "sgd decoupled", SGD(learningRate: 0.01, weightDecay: 0.1, decoupled: true),
      digest: 0x717f_3213_e73a_3723),
  ]
}

extension SGD {
  /// `torch.optim.SGD` without momentum.
  public static func pyTorch(learningRate: Double = 1e-3, weightDecay: Double = 0) -> SGD {
    SGD(learningRate: learningRate, weightDecay: weightDecay)
  }

  /// `optax.sgd` without momentum, which has no default rate.
  public static func optax(learningRate: Double) -> SGD {
    SGD(learningRate: learningRate)
  }

  /// `keras.optimizers.SGD` without momentum; Keras decouples the decay.
  public static func keras(learningRate: Double = 0.01, weightDecay: Double = 0) -> SGD {
    SGD(learningRate: learningRate, weightDecay: weightDecay, decoupled: true)
  }
}
