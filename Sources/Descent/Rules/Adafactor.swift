/// Adafactor (Shazeer & Stern 2018, arXiv:1804.04235, algorithms 4 and 5): Adam's denominator of a
/// matrix from a number for each row and one for each column.
///
///     q = g²                               w = tᶜ, the weight of what is new
///     R ← (1 − w) R + w mean of q          for each row; C for each column, μ for the tensor
///     V = R C / max(ε₁, μ)
///     u = g / √max(ε₁², V)
///     x ← x − min(η, 1/√t) max(ε₂, rms(x)) / max(1, rms(u)/d) u
///
/// η is thus a rate relative to the size of a tensor. rms is the root mean square of a tensor. A
/// vector is one row, so that V is C and has a number for each parameter. A tensor of more than two
/// sizes is a matrix with the last of them for its columns, where PyTorch and Keras take the last
/// two for a matrix of its own. There is no first moment: a matrix of n rows and m columns has
/// n + m + 1 numbers for states.
///
/// | | ``limitedRate`` | ``epsilonAdded`` |
/// |---|---|---|
/// | PyTorch | yes | |
/// | Keras | yes | yes |
/// | Optax | | yes |
///
/// The same rule for devices: Kernels/rules/adafactor.cl.
public struct Adafactor: UpdateRule {
  public static let name = "adafactor"

  /// η, relative to the size of a tensor.
  public var learningRate = 0.01
  /// c. What is new weighs tᶜ in step t, all at the first step.
  public var beta2Decay = -0.8
  /// ε₁: a floor under μ and, as ε₁², under V; or what is added to g².
  public var epsilon1 = 0x1p-23
  /// ε₂, the least size of a tensor. It lets a tensor of zeros move.
  public var epsilon2 = 1e-3
  /// d, the greatest root mean square of u.
  public var clippingThreshold = 1.0
  /// Lets the rate be 1/√t at most in step t.
  public var limitedRate = true
  /// Adds ε₁ to g², and has no floors.
  public var epsilonAdded = false
  public var weightDecay = 0.0
  /// Always decoupled: the rate is relative, the decay's is η.
  public var appliedDecay: WeightDecay { .decoupled(weightDecay) }
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 0.01, beta2Decay: Double = -0.8, epsilon1: Double = 0x1p-23,
    epsilon2: Double = 1e-3, clippingThreshold: Double = 1, limitedRate: Bool = true,
    epsilonAdded: Bool = false, weightDecay: Double = 0, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta2Decay = beta2Decay
    self.epsilon1 = epsilon1
    self.epsilon2 = epsilon2
    self.clippingThreshold = clippingThreshold
    self.limitedRate = limitedRate
    self.epsilonAdded = epsilonAdded
    self.weightDecay = weightDecay
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta2Decay", \.beta2Decay, .atMostZero),
    .number("epsilon1", \.epsilon1, .atLeastZero),
    .number("epsilon2", \.epsilon2, .atLeastZero),
    .number("clippingThreshold", \.clippingThreshold, .aboveZero),
    .flag("limitedRate", \.limitedRate),
    .flag("epsilonAdded", \.epsilonAdded),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .fixed("decoupled", true),
    .flag("maximize", \.maximize),
  ]

  public var kernel: String { "adafactor" }
  public var states: [StateSpec] {
    [
      StateSpec("row", .rows), StateSpec("rowSum", .rows, isSaved: false),
      StateSpec("col", .columns), StateSpec("colSum", .columns, isSaved: false),
      StateSpec("mean", .tensor), StateSpec("sum", .tensor, isSaved: false),
      StateSpec("parameterNorm", .tensor, isSaved: false),
      StateSpec("rows", .tensor, start: .count(of: .rows), isSaved: false),
      StateSpec("columns", .tensor, start: .count(of: .columns), isSaved: false),
    ]
  }
  public var passes: [RulePass] {
    [
      RulePass(
        .sums([
          RuleSum(.sum, into: "rowSum"), RuleSum(.sum, into: "colSum", ofTerm: 0),
          RuleSum(.sum, into: "sum", ofTerm: 0),
        ]), kernel: "adafactor_sums", reading: [.gradients]),
      RulePass(.numbers(.tensor), kernel: "adafactor_mean"),
      RulePass(.numbers(.rows), kernel: "adafactor_rows"),
      RulePass(.numbers(.columns), kernel: "adafactor_columns"),
      RulePass(
        .sums([RuleSum(.norm, into: "sum"), RuleSum(.norm, into: "parameterNorm")]),
        kernel: "adafactor_updates"),
      RulePass(.numbers(.tensor), kernel: "adafactor_rate"),
      RulePass(.elements, kernel: kernel),
    ]
  }

  /// Factors as in adafactor.cl.
  public struct Scalars<T: BinaryFloatingPoint> {
    let keep, weight, added, leastMean, leastSquare, least, threshold, leastScale, rate: T

    func moved(_ old: T, by sum: T, _ count: T) -> T { keep * old + weight * (sum / count) }

    func update(_ g: T, _ row: T, _ column: T) -> T {
      var square = row * column
      if square < leastSquare { square = leastSquare }
      return quotient(1, g, square.squareRoot())
    }

    func rate(_ updateNorm: T, _ parameterNorm: T, count: T) -> T {
      let root = count.squareRoot()
      let excess = updateNorm / root / threshold
      var scale = parameterNorm / root
      if scale < leastScale { scale = leastScale }
      return rate * scale / (excess < 1 ? 1 : excess)
    }
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    let weight = 1 / power(Double(step), -beta2Decay)
    let rate = limitedRate ? min(learningRate, 1 / Double(step).squareRoot()) : learningRate
    let (floor, added) = epsilonAdded ? (0.0, epsilon1) : (epsilon1, 0.0)
    let leastSquare = T(floor * floor)
    return Scalars(
      keep: T(1 - weight), weight: T(weight), added: T(added), leastMean: T(floor),
      leastSquare: leastSquare,
      least: leastSquare.squareRoot(), threshold: T(clippingThreshold), leastScale: T(epsilon2),
      rate: T(rate))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    switch elements.pass {
    case 0:
      elements.sum { _, g, _, _, term in term[0] = g * g + s.added }
    case 1:
      elements.each { own, _ in
        own[0] = s.moved(own[0], by: own[1], own[3] * own[4])
        own[1] = own[0] < s.leastMean ? s.leastMean : own[0]
      }
    case 2:
      elements.each { own, number in
        own[0] = s.moved(own[0], by: own[1], number[4])
        own[1] = number[3] == 1 ? 1 : quotient(1, own[0], number[1])
      }
    case 3: elements.each { own, number in own[0] = s.moved(own[0], by: own[1], number[3]) }
    case 4:
      elements.sum { x, g, _, number, term in
        (term[0], term[1]) = (s.update(g, number[1], number[2]), x)
      }
    case 5: elements.each { own, _ in own[1] = s.rate(own[1], own[2], count: own[3] * own[4]) }
    default:
      elements.updateWithNumbers { _, g, _, number in
        number[5] * s.update(g, number[1], number[2])
      }
    }
  }

  public static let variants = [
    RuleVariant("adafactor", Adafactor(), digest: 0x0c81_4dbf_d264_392f),
    RuleVariant(
      "adafactor epsilonAdded",
      Adafactor(
        learningRate: 0.05, beta2Decay: -0.7, epsilon1: 1e-30, epsilon2: 1e-2,
        clippingThreshold: 2, epsilonAdded: true, weightDecay: 0.01),
      digest: 0x209f_b99d_6ec7_5646),
    RuleVariant(
      "adafactor unlimited", Adafactor(epsilon1: 1e-4, limitedRate: false, maximize: true),
      digest: 0xd6bd_174c_7976_fd0a),
  ]
}

extension Adafactor {
  /// `torch.optim.Adafactor`, whose ε₁ is the machine epsilon of the parameters' type unless given.
  public static func pyTorch(
    learningRate: Double = 0.01, beta2Decay: Double = -0.8, epsilon1: Double = 0x1p-23,
    epsilon2: Double = 1e-3, clippingThreshold: Double = 1, weightDecay: Double = 0
  ) -> Adafactor {
    Adafactor(
      learningRate: learningRate, beta2Decay: beta2Decay, epsilon1: epsilon1,
      epsilon2: epsilon2, clippingThreshold: clippingThreshold, weightDecay: weightDecay)
  }

  /// `optax.adafactor` with `min_dim_size_to_factor` of 1, without decay: Optax' decay has no rate.
  public static func optax(
    learningRate: Double, beta2Decay: Double = -0.8, clippingThreshold: Double = 1
  ) -> Adafactor {
    Adafactor(
      learningRate: learningRate, beta2Decay: beta2Decay, epsilon1: 1e-30,
      clippingThreshold: clippingThreshold, limitedRate: false, epsilonAdded: true)
  }

  /// `keras.optimizers.Adafactor`.
  public static func keras(
    learningRate: Double = 1e-3, beta2Decay: Double = -0.8, epsilon1: Double = 1e-30,
    epsilon2: Double = 1e-3, clippingThreshold: Double = 1, weightDecay: Double = 0
  ) -> Adafactor {
    Adafactor(
      learningRate: learningRate, beta2Decay: beta2Decay, epsilon1: epsilon1,
      epsilon2: epsilon2, clippingThreshold: clippingThreshold, epsilonAdded: true,
      weightDecay: weightDecay)
  }

  /// The paper's algorithms with its proposed values.
  public static func paper() -> Adafactor { .keras(learningRate: 0.01) }
}
