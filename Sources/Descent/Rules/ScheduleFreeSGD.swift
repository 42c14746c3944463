/// Schedule-Free SGD (Defazio et al. 2024, arXiv:2405.15682, equations 3 to 5): SGD whose average
/// takes the place of a schedule.
///
/// The parameters are y, where the gradients are taken; z is the point that steps move; x, the
/// average of the z, is the point to evaluate and to publish:
///
///     z ← z − ηₜg;   x ← (1 − C)x + Cz;   y = (1 − β)z + βx
///
/// x is not stored: a step is y ← y − (C(y − z) + ηₜ(1 − β(1 − C))g), and
/// ``Optimizer/writeIterate(from:into:)`` gives x = y + (1 − β)/β · (y − z). z begins as the
/// parameters.
///
/// The rate grows over `warmupSteps` and then stays: ηₜ = η · min(1, t/warmupSteps). A step's
/// weight is C = wₜ/Σw with wₜ = t^stepPower · (max ηₖ)^learningRatePower.
///
/// Weight decay is part of the gradient, taken at y. β is part of what the parameters mean, so it
/// stays from step to step.
///
/// The same rule for devices: Kernels/rules/schedule_free_sgd.cl.
public struct ScheduleFreeSGD: UpdateRule {
  public static let name = "schedule_free_sgd"

  public var learningRate = 1.0
  /// β, the share of x in y. Not 0.
  public var momentum = 0.9
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
    learningRate: Double = 1, momentum: Double = 0.9, warmupSteps: Double = 0,
    stepPower: Double = 0, learningRatePower: Double = 2, weightDecay: Double = 0,
    maximize: Bool = false
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.warmupSteps = warmupSteps
    self.stepPower = stepPower
    self.learningRatePower = learningRatePower
    self.weightDecay = weightDecay
    self.maximize = maximize
  }

  public static let hyperparameters: [Hyperparameter<Self>] = [
    .number("learningRate", \.learningRate, .atLeastZero),
    .number("momentum", \.momentum, .fromZeroToBelowOne),
    .number("warmupSteps", \.warmupSteps, .atLeastZero),
    .number("stepPower", \.stepPower, .atLeastZero),
    .number("learningRatePower", \.learningRatePower, .atLeastZero),
    .number("weightDecay", \.weightDecay, .atLeastZero),
    .fixed("decoupled", false),
    .flag("maximize", \.maximize),
  ]

  private var average: ScheduleFreeAverage {
    ScheduleFreeAverage(
      learningRate: learningRate, warmupSteps: warmupSteps, stepPower: stepPower,
      learningRatePower: learningRatePower, share: momentum, shareName: "momentum")
  }

  public var conflict: String? { average.conflict }
  public func evaluationPoint(afterStep: Bool) -> EvaluationPoint? { average.evaluationPoint }
  public func validate(after last: ScheduleFreeSGD) throws {
    try average.validate(after: last.average, of: Self.name)
  }

  public var appliedDecay: WeightDecay { .coupled(weightDecay) }
  public var kernel: String { "schedule_free_sgd" }
  public var states: [StateSpec] { [StateSpec("z", start: .parameters)] }
  public var history: [HistoryValue] { ScheduleFreeAverage.history }

  /// The scalar arguments of the kernel, in its order.
  public struct Scalars<T: BinaryFloatingPoint> {
    let weight, stepSize, rate: T
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
      weight: T(weight), stepSize: T(rate * (1 - momentum * (1 - weight))), rate: T(rate))
  }

  @specialized(where T == Float)
  public func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
    var history = elements.history
    let s: Scalars<T> = values(at: step, history: &history)
    elements.update { y, g, state in
      let step = s.weight * (y - state[0]) + s.stepSize * g
      state[0] = state[0] - s.rate * g
      return step
    }
  }

  public static let variants = [
    RuleVariant(
      "schedule-free sgd", ScheduleFreeSGD(learningRate: 0.1), digest: 0x6641_69a3_33ff_8e8f),
    RuleVariant(
      "schedule-free sgd warm-up",
      ScheduleFreeSGD(
        learningRate: 0.01, momentum: 0.95, warmupSteps: 10, stepPower: 0.5, learningRatePower: 1,
        weightDecay: 0.1, maximize: true), digest: 0x0a24_c016_f5d4_cfd2),
  ]
}

extension ScheduleFreeSGD {
  /// The authors' package, `schedulefree.SGDScheduleFree`.
  public static func paper(
    learningRate: Double = 1, momentum: Double = 0.9, weightDecay: Double = 0,
    warmupSteps: Double = 0, stepPower: Double = 0, learningRatePower: Double = 2
  ) -> ScheduleFreeSGD {
    ScheduleFreeSGD(
      learningRate: learningRate, momentum: momentum, warmupSteps: warmupSteps,
      stepPower: stepPower, learningRatePower: learningRatePower, weightDecay: weightDecay)
  }
}
