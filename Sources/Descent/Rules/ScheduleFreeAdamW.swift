/// Schedule-Free AdamW (Defazio et al. 2024, arXiv:2405.15682, algorithm 1): AdamW whose average
/// takes the place of a schedule.
///
/// The parameters are y, where the gradients are taken; z is the point that steps move; x, the
/// average of the z, is the point to evaluate and to publish:
///
///     v ← β₂v + (1 − β₂)g²
///     u = g / (√(v/c₂) + ε) + λy                  c₂ = 1 − β₂ᵗ
///     z ← z − ηₜu;   x ← (1 − C)x + Cz;   y = (1 − β₁)z + β₁x
///
/// x is not stored: a step is y ← y − (C(y − z) + ηₜ(1 − β₁(1 − C))u), and
/// ``Optimizer/writeIterate(from:into:)`` gives x = y + (1 − β₁)/β₁ · (y − z). z begins as the
/// parameters.
///
/// The rate grows over `warmupSteps` and then stays: ηₜ = η · min(1, t/warmupSteps). A step's
/// weight is C = wₜ/Σw with wₜ = t^stepPower · (max ηₖ)^learningRatePower.
///
/// Weight decay is always inside u, taken at y. β₁ is part of what the parameters mean, so it stays
/// from step to step.
///
/// The same rule for devices: Kernels/rules/schedule_free_adamw.cl.
public struct ScheduleFreeAdamW: UpdateRule {
  public static let name = "schedule_free_adamw"

  public var learningRate = 2.5e-3
  /// β₁, the share of x in y. Not 0.
  public var beta1 = 0.9
  /// β₂, how much of v a step keeps.
  public var beta2 = 0.999
  /// Added to the root.
  public var epsilon = 1e-8
  /// How many steps the rate takes to grow from 0; 0 is no warm-up.
  public var warmupSteps = 0.0
  /// The power of the step in a step's weight.
  public var stepPower = 0.0
  /// The power of the largest rate so far in a step's weight.
  public var learningRatePower = 2.0
  public var weightDecay = 0.0
  public var maximize = false

  public init() {}

  /// Every hyper-parameter, or its default. They are checked by ``validate()``, not here.
  public init(
    learningRate: Double = 2.5e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, warmupSteps: Double = 0, stepPower: Double = 0,
    learningRatePower: Double = 2, weightDecay: Double = 0, maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.warmupSteps = warmupSteps
    self.stepPower = stepPower
    self.learningRatePower = learningRatePower
    self.weightDecay = weightDecay
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("beta1", \.beta1, .fromZeroToBelowOne),
    .number("beta2", \.beta2, .fromZeroToBelowOne),
    .number("epsilon", \.epsilon, .atLeastZero),
    .number("warmupSteps", \.warmupSteps, .atLeastZero),
    .number("stepPower", \.stepPower, .atLeastZero),
    .number("learningRatePower", \.learningRatePower, .atLeastZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .fixed("decoupled", true),
    .flag("maximize", \.maximize),
  ]

  private var average: ScheduleFreeAverage {
    ScheduleFreeAverage(
      learningRate: learningRate, warmupSteps: warmupSteps, stepPower: stepPower,
      learningRatePower: learningRatePower, share: beta1, shareName: "beta1")
  }

  public var conflict: String? { average.conflict }
  public func evaluationPoint(afterStep: Bool) -> EvaluationPoint? { average.evaluationPoint }
  public func validate(after last: ScheduleFreeAdamW) throws {
    try average.validate(after: last.average, of: Self.name)
  }

  public var appliedDecay: WeightDecay { .insideRule(weightDecay) }
  public var kernel: String { "schedule_free_adamw" }
  public var states: [StateSpec] { [StateSpec("z", start: .parameters), StateSpec("v")] }
  public var history: [HistoryValue] { ScheduleFreeAverage.history }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let weight, stepSize, rate, beta2, oneMinusBeta2, rootCorrection, epsilon, weightDecay: T
  }
  public typealias KernelScalars = Scalars<Float>

  public func scalars(at step: Int) -> Scalars<Float> {
    var history = self.history.map(\.start)
    return scalars(at: step, history: &history)
  }

  public func scalars(at step: Int, history: inout [Double]) -> Scalars<Float> {
    values(at: step, history: &history)
  }

  private func values<T: BinaryFloatingPoint>(
    at step: Int, history: inout [Double]
  ) -> Scalars<T> {
    let (rate, weight) = average.advance(&history, at: step)
    return Scalars(
      weight: T(weight), stepSize: T(rate * (1 - beta1 * (1 - weight))), rate: T(rate),
      beta2: T(beta2), oneMinusBeta2: T(1 - beta2),
      rootCorrection: T(1 / oneMinusPower(beta2, step).squareRoot()), epsilon: T(epsilon),
      weightDecay: T(weightDecay))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    var history = elements.history
    let s: Scalars<T> = values(at: step, history: &history)
    elements.update { y, g, state in
      state[1] = s.beta2 * state[1] + s.oneMinusBeta2 * g * g
      var u = quotient(1, g, state[1].squareRoot() * s.rootCorrection + s.epsilon)
      if s.weightDecay != 0 { u = u + s.weightDecay * y }
      let step = s.weight * (y - state[0]) + s.stepSize * u
      state[0] = state[0] - s.rate * u
      return step
    }
  }

  public static let variants = [
    RuleVariant(
      "schedule-free adamw", ScheduleFreeAdamW(learningRate: 2.5e-3),
      digest: 0x9b87_ddf2_dcd5_570c),
    RuleVariant(
      "schedule-free adamw warm-up",
      ScheduleFreeAdamW(
        learningRate: 0.01, beta1: 0.95, beta2: 0.99, epsilon: 1e-6, warmupSteps: 10,
        stepPower: 0.5, learningRatePower: 1, weightDecay: 0.1, maximize: true),
      digest: 0x360f_6454_d9b2_f1a7),
  ]
}

extension ScheduleFreeAdamW {
  /// The authors' package, `schedulefree.AdamWScheduleFree`.
  public static func paper(
    learningRate: Double = 2.5e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, weightDecay: Double = 0, warmupSteps: Double = 0,
    stepPower: Double = 0, learningRatePower: Double = 2
  ) -> ScheduleFreeAdamW {
    ScheduleFreeAdamW(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      warmupSteps: warmupSteps, stepPower: stepPower, learningRatePower: learningRatePower,
      weightDecay: weightDecay)
  }

  /// `optax.contrib.schedule_free_adamw` without its warm-up, which weighs steps by another rate
  /// than it takes them with.
  public static func optax(
    learningRate: Double = 2.5e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, weightDecay: Double = 0, learningRatePower: Double = 2
  ) -> ScheduleFreeAdamW {
    ScheduleFreeAdamW(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      learningRatePower: learningRatePower, weightDecay: weightDecay)
  }

  /// `keras.optimizers.ScheduleFreeAdamW`: every step has the same weight.
  public static func keras(
    learningRate: Double = 2.5e-3, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-8, warmupSteps: Double = 0
  ) -> ScheduleFreeAdamW {
    ScheduleFreeAdamW(
      learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      warmupSteps: warmupSteps, learningRatePower: 0)
  }
}
