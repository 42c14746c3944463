/// The usual schedules. t counts a schedule's own steps from 0.
extension Schedule {
  /// η at every step.
  public static func constant(_ rate: Double) -> Schedule { Schedule(.constant(rate: rate)) }

  /// a + (b − a) t/N, then b; with N = 0, b at once.
  public static func linear(from start: Double, to end: Double, steps: Int) -> Schedule {
    Schedule(.linear(from: start, to: end, steps: steps))
  }

  /// From `start` up to the first rate of what follows: `.warmUp(1000).then(…)`.
  ///
  /// From 0, as in Optax and in Hugging Face's trainer, the first step changes nothing; a start of
  /// the peak over the number of steps spends no step so. With 0 steps there is only what follows.
  public static func warmUp(_ steps: Int, from start: Double = 0) -> WarmUp {
    WarmUp(steps: steps, start: start)
  }

  /// η γ^⌊t/N⌋: lowered by a factor every N steps. PyTorch's StepLR.
  public static func step(_ rate: Double, factor: Double = 0.1, every steps: Int) -> Schedule {
    Schedule(.step(rate: rate, factor: factor, every: steps))
  }

  /// η γ^k, where k of the milestones are at most t; they ascend. PyTorch's MultiStepLR. Keras's
  /// PiecewiseConstantDecay lowers the rate one step later.
  public static func multiStep(
    _ rate: Double, factor: Double = 0.1, at milestones: [Int]
  ) -> Schedule {
    Schedule(.multiStep(rate: rate, factor: factor, milestones: milestones))
  }

  /// η γ^(t/N), smoothly; ``step(_:factor:every:)`` has the same in stairs. PyTorch's ExponentialLR
  /// with N = 1, Optax's and Keras's exponential decay.
  public static func exponential(
    _ rate: Double, factor: Double, every steps: Int = 1
  ) -> Schedule {
    Schedule(.exponential(rate: rate, factor: factor, every: steps))
  }

  /// (a − b)(1 − t/N)^p + b, then b; with N = 0, b at once.
  public static func polynomial(
    from start: Double, to end: Double = 0, steps: Int, power: Double = 1
  ) -> Schedule {
    Schedule(.polynomial(from: start, to: end, steps: steps, power: power))
  }

  /// b + (a − b)/2 · (1 + cos(π t/N)), then b. PyTorch's CosineAnnealingLR climbs again after N
  /// steps; this one, as Optax's and Keras's, does not. With N = 0 it is b at once.
  public static func cosine(from start: Double, to end: Double = 0, steps: Int) -> Schedule {
    Schedule(.cosine(from: start, to: end, steps: steps))
  }

  /// ``cosine(from:to:steps:)`` over and over (Loshchilov & Hutter, arXiv:1608.03983). The first
  /// cycle has `steps` steps, each later one `lengthFactor` times as many as the one before; its a
  /// − b is `peakFactor` times that of the one before. It never ends. PyTorch's
  /// CosineAnnealingWarmRestarts, with `peakFactor` Keras's CosineDecayRestarts.
  public static func cosineRestarts(
    from start: Double, to end: Double = 0, steps: Int, lengthFactor: Int = 1,
    peakFactor: Double = 1
  ) -> Schedule {
    Schedule(
      .cosineRestarts(
        from: start, to: end, steps: steps, lengthFactor: lengthFactor, peakFactor: peakFactor))
  }

  /// Up to `peak` and down again (Smith & Topin, arXiv:1708.07120), with PyTorch's knots, whose
  /// phases end a step early: p/d at 0, p at wT − 1, [p/d at 2wT − 2 with `threePhase`,] p/d/D at T
  /// − 1, with d, D the divisors, w the fraction of the warm-up, T the steps. A phase that ends at
  /// 0 or before is skipped, and the next one starts where it ends, as in PyTorch: with 3 steps
  /// there is no warm-up. A phase that ends no later than the one before it is skipped, too. Other
  /// knots: ``knots(_:shape:)``. The momentum that PyTorch cycles along is left alone.
  public static func oneCycle(
    peak: Double, steps: Int, warmUpFraction: Double = 0.3, initialDivisor: Double = 25,
    finalDivisor: Double = 1e4, shape: Shape = .cosine, threePhase: Bool = false
  ) -> Schedule {
    let name = "oneCycle"
    let refusal =
      refusing(name, "peak", peak, .atLeastZero) ?? refusing(name, "steps", steps, atLeast: 1)
      ?? refusing(name, "warmUpFraction", warmUpFraction, .fromZeroToOne)
      ?? refusing(name, "initialDivisor", initialDivisor, .aboveZero)
      ?? refusing(name, "finalDivisor", finalDivisor, .aboveZero)
    if let refusal { return refusal }
    let (low, top) = (peak / initialDivisor, warmUpFraction * Double(steps))
    var phases = [Knot(at: top - 1, rate: peak)]
    if threePhase { phases.append(Knot(at: 2 * top - 2, rate: low)) }
    // The last phase is never skipped by its own end, which no step is behind.
    let skipped = phases.prefix { $0.time <= 0 }
    var knots = [skipped.last ?? Knot(at: 0, rate: low)]
    for knot in phases.dropFirst(skipped.count) + [
      Knot(at: Double(steps) - 1, rate: low / finalDivisor)
    ]
    where knot.time > knots.last?.time ?? 0 {
      knots.append(knot)
    }
    return Schedule(.knots(points: knots, shape: shape)).lasting(steps)
  }

  /// A schedule that ``validate()`` refuses by the name of an argument.
  static func refusing(
    _ schedule: String, _ argument: String, _ value: Double, _ allowed: String
  ) -> Schedule {
    Schedule(.refused(schedule: schedule, argument: argument, value: value, allowed: allowed))
  }

  private static func refusing(
    _ schedule: String, _ argument: String, _ value: Double,
    _ allowed: Hyperparameter<Schedule>.Allowed
  ) -> Schedule? {
    allowed.contains(value) ? nil : refusing(schedule, argument, value, allowed.description)
  }

  private static func refusing(
    _ schedule: String, _ argument: String, _ value: Int, atLeast least: Int
  ) -> Schedule? {
    value >= least
      ? nil : refusing(schedule, argument, Double(value), "a number of at least \(least)")
  }

  /// Up to `peak` in `warmUp` steps, `stable` steps there, and down to `end` in `decay` steps (Hu
  /// et al., arXiv:2404.06395). A part of 0 steps is skipped; the rate after all of them is `end`.
  public static func warmUpStableDecay(
    peak: Double, warmUp: Int, stable: Int, decay: Int, from start: Double = 0, to end: Double = 0,
    shape: Shape = .linear
  ) -> Schedule {
    let name = "warmUpStableDecay"
    let refusal =
      refusing(name, "peak", peak, .atLeastZero) ?? refusing(name, "warmUp", warmUp, atLeast: 0)
      ?? refusing(name, "stable", stable, atLeast: 0) ?? refusing(name, "decay", decay, atLeast: 0)
      ?? refusing(name, "from", start, .atLeastZero) ?? refusing(name, "to", end, .atLeastZero)
    if let refusal { return refusal }
    let down: Schedule =
      switch shape {
      case .linear: .linear(from: peak, to: end, steps: decay)
      case .cosine: .cosine(from: peak, to: end, steps: decay)
      }
    return .warmUp(warmUp, from: start).then(.constant(peak).lasting(stable).then(down))
  }

  /// η t/w for w = `warmUp` steps, then η/√((t + s − w)/s), where the timescale s is w unless it is
  /// given: η √(w/t) (Vaswani et al., arXiv:1706.03762). Without a warm-up it needs a timescale. It
  /// never ends.
  public static func inverseRoot(
    _ rate: Double, warmUp: Int, timescale: Int? = nil
  ) -> Schedule {
    let name = "inverseRoot"
    let refusal =
      refusing(name, "rate", rate, .atLeastZero) ?? refusing(name, "warmUp", warmUp, atLeast: 0)
      ?? refusing(name, "timescale", timescale ?? warmUp, atLeast: 1)
    if let refusal { return refusal }
    return .warmUp(warmUp).then(Schedule(.inverseRoot(rate: rate, timescale: timescale ?? warmUp)))
  }

  /// η/(1 + k t/N). It never ends. Keras's InverseTimeDecay.
  public static func inverseTime(_ rate: Double, decay: Double, every steps: Int = 1) -> Schedule {
    Schedule(.inverseTime(rate: rate, decay: decay, every: steps))
  }

  /// A rate at a time, which need not be a whole step.
  public struct Knot: Hashable, Codable, Sendable, CustomStringConvertible {
    /// Steps since the part began.
    public var time: Double
    /// η at that time.
    public var rate: Double

    /// A rate at a time; ``Schedule/validate()`` checks both.
    public init(at time: Double, rate: Double) { (self.time, self.rate) = (time, rate) }

    public var description: String { "\(rate) at \(time)" }
  }

  /// How a rate gets from one to another.
  public enum Shape: String, Hashable, Codable, Sendable, CustomStringConvertible {
    /// In a straight line.
    case linear
    /// By half a cosine, level at both ends.
    case cosine

    public var description: String { rawValue }
  }

  /// From knot to knot, whose times ascend; before the first and after the last it stays at theirs.
  /// A time below 0 is one that no step has.
  public static func knots(_ knots: [Knot], shape: Shape = .linear) -> Schedule {
    Schedule(.knots(points: knots, shape: shape))
  }

  /// A function of t. It has no end, cannot be saved (``encode(to:)`` throws), and is equal only to
  /// copies of itself: two calls of this make two schedules that differ. The caller ensures that it
  /// gives the same rates on every machine. An optimizer calls it for every step that may come
  /// next, as often as it needs and in any order, so it should be cheap and depend on t alone.
  public static func custom(_ rate: @escaping @Sendable (Int) -> Double) -> Schedule {
    Schedule(.custom(function: ScheduleFunction(rate)))
  }
}
