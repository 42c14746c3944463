/// Rprop without back-tracking (Riedmiller & Braun 1993): a step size per element, which depends on
/// the signs of gradients alone. For whole batches: it cannot average out noise.
///
///     a = sign(g) sign(g')                                 with the last gradient g'
///     d ← min(max(d·(η⁺ if a > 0, η⁻ if a < 0, else 1), d₀), d₁)
///     g ← 0 where a < 0
///     x ← x − sign(g) d;   g' ← g
///
/// The learning rate is what d begins with, at an element's first step, and has no part in later
/// ones but for decoupled weight decay. The sign of a gradient below 2⁻¹²⁶ is 0.
///
/// The same rule for devices: Kernels/rules/rprop.cl.
public struct Rprop: UpdateRule {
  public static let name = "rprop"

  public var learningRate = 0.01
  /// η⁻, what d is multiplied by where the gradient changed its sign: below 1.
  public var decreaseFactor = 0.5
  /// η⁺, what d is multiplied by where it kept its sign: at least 1.
  public var increaseFactor = 1.2
  /// d₀, the least that d becomes.
  public var minimumStep = 1e-6
  /// d₁, the greatest that d becomes.
  public var maximumStep = 50.0
  public var weightDecay = 0.0
  /// Whether weight decay is decoupled from the gradient: ``WeightDecay/decoupled(_:)``.
  public var decoupled = false
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 0.01, decreaseFactor: Double = 0.5, increaseFactor: Double = 1.2,
    minimumStep: Double = 1e-6, maximumStep: Double = 50, weightDecay: Double = 0,
    decoupled: Bool = false, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.decreaseFactor = decreaseFactor
    self.increaseFactor = increaseFactor
    self.minimumStep = minimumStep
    self.maximumStep = maximumStep
    self.weightDecay = weightDecay
    self.decoupled = decoupled
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("decreaseFactor", \.decreaseFactor, .fromZeroToBelowOne),
    .number("increaseFactor", \.increaseFactor, .aboveZero),
    .number("minimumStep", \.minimumStep, .aboveZero),
    .number("maximumStep", \.maximumStep, .aboveZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .flag("decoupled", \.decoupled),
    .flag("maximize", \.maximize),
  ]

  public var conflict: String? {
    if increaseFactor < 1 {
      return "an increaseFactor below 1 shrinks the steps that it should grow"
    }
    return minimumStep > maximumStep ? "minimumStep is above maximumStep" : nil
  }

  public var appliedDecay: WeightDecay { decay(decoupled: decoupled) }
  public var kernel: String { "rprop" }
  /// A `stepSize` of 0 has not begun.
  public var states: [StateSpec] { [StateSpec("prevGrad"), StateSpec("stepSize")] }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let firstStep, decreaseFactor, increaseFactor, minimumStep, maximumStep: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars<T: BinaryFloatingPoint>(at step: Int) -> Scalars<T> {
    Scalars(
      firstStep: T(learningRate), decreaseFactor: T(decreaseFactor),
      increaseFactor: T(increaseFactor), minimumStep: T(minimumStep), maximumStep: T(maximumStep))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    let s: Scalars<T> = scalars(at: step)
    func side(_ g: T) -> T { g >= 0x1p-126 ? 1 : g <= -0x1p-126 ? -1 : 0 }
    elements.update { _, g, state in
      let agreement = side(g) * side(state[0])
      var d = state[1] == 0 ? s.firstStep : state[1]
      d = d * (agreement > 0 ? s.increaseFactor : agreement < 0 ? s.decreaseFactor : 1)
      d = d < s.minimumStep ? s.minimumStep : d
      d = d > s.maximumStep ? s.maximumStep : d
      (state[0], state[1]) = (agreement < 0 ? 0 : g, d)
      return agreement < 0 ? 0 : side(g) * d
    }
  }

  public static let variants = [
    RuleVariant("rprop", Rprop(), digest: 0xd94f_79c5_4cc7_16a6),
    RuleVariant(
      "rprop coupled",
      Rprop(
        learningRate: 0.1, decreaseFactor: 0.3, increaseFactor: 1.5, minimumStep: 0.01,
        maximumStep: 0.5, weightDecay: 0.1, maximize: true), digest: 0xbdf9_c3e7_0d99_36d9),
    RuleVariant(
      "rprop decoupled", Rprop(weightDecay: 0.1, decoupled: true), digest: 0xc378_388c_d751_360d),
  ]
}

extension Rprop {
  /// `torch.optim.Rprop`.
  public static func pyTorch(
    learningRate: Double = 0.01, decreaseFactor: Double = 0.5, increaseFactor: Double = 1.2,
    minimumStep: Double = 1e-6, maximumStep: Double = 50
  ) -> Rprop {
    Rprop(
      learningRate: learningRate, decreaseFactor: decreaseFactor, increaseFactor: increaseFactor,
      minimumStep: minimumStep, maximumStep: maximumStep)
  }
}
