public import Logging

/// A rule at work on a model: owns the rule's states and counts its steps.
///
/// ```swift
/// var layout = ParameterLayout()
/// try layout.append("weight", shape: [10, 64])
/// let optimizer = try Optimizer(Adam(learningRate: 1e-3), layout: layout)
/// try optimizer.step(&parameters, gradients: gradients)
/// ```
///
/// Three rules update another point than the one to evaluate and to publish: ``Nesterov`` its
/// look-ahead point, ``ScheduleFreeSGD`` and ``ScheduleFreeAdamW`` an interpolation of their
/// average and z.
/// ``writeIterate(from:into:)`` gives the point to evaluate, for these and for every other rule;
/// ``settle(_:)`` puts it in the parameters' place at the end.
///
/// Not `Sendable`, and without a lock: one trainer, one optimizer. Several of them may work at
/// once, each on its own thread, on one queue or on several; a buffer that two of them touch needs
/// events between their steps. A step's event may be waited for on any thread. Whatever the engine,
/// the same calls give the same bits, except on a device that does not promise it
/// (`Device.sameBits`).
public final class Optimizer {
  /// The rule. It may be replaced between steps, `optimizer.rule = Adam(learningRate: 1e-4)`; a
  /// ``schedule`` goes before its rate. The next step validates it, and refuses another type and
  /// hyper-parameters that change which states there are or what they mean. States begin as the
  /// first rule says.
  public var rule: any UpdateRule {
    didSet {
      ruleIsChecked = false
      lastRuleIsRule = false
      baseLearningRate = rule.learningRate
    }
  }

  /// The learning rate of the run: the rule's, as ``rule`` was last set. ``setLearningRate(_:)``
  /// leaves it, as does a schedule. PyTorch's optimizers call it `initial_lr`, which their
  /// schedulers multiply.
  public internal(set) var baseLearningRate: Double

  /// The learning rate over the steps, in place of the rule's own; nil leaves that to the rule. The
  /// step that comes after n applied ones has `schedule.learningRate(after: n)`, times its group's
  /// factor. A skipped step moves the schedule no more than ``stepCount``, and a group that was
  /// frozen continues at the optimizer's step count, not at its own.
  ///
  /// The next step validates it, and every step its rate, before anything is touched. A rate of the
  /// schedule may become so small that it is 0 as a `Float`, where a step moves by nothing; the
  /// rule's own rate may not.
  public var schedule: Schedule? {
    didSet { scheduleIsChecked = false }
  }

  /// The offsets of the tensors in parameters, gradients and states.
  public let layout: ParameterLayout

  /// What runs the steps: `cpu (avx512, 2 threads)`.
  public var engineName: String { engine.name }

  /// Why this engine, in a sentence.
  public let engineReason: String

  /// The number of steps taken, without those that were skipped. Bias corrections follow from it.
  /// Waits for enqueued steps that may be skipped, and throws the error of one that failed.
  public var stepCount: Int {
    get throws {
      try collect(wait: true)
      return appliedSteps
    }
  }

  /// How many steps were skipped since the beginning or a restored state, because their gradient
  /// was not finite. Waits and throws as ``stepCount`` does.
  public var skippedStepCount: Int {
    get throws {
      try collect(wait: true)
      return skippedSteps
    }
  }

  /// How gradients are clipped from the next step on, in groups that do not say otherwise. A wrong
  /// limit is refused by that step.
  public var clipping: Clipping? {
    didSet { controlIsChecked = false }
  }

  /// Whether a step with a gradient that is not finite, once it is scaled, leaves parameters,
  /// states and step count as they were. Norm clipping and a loss scale skip such steps in any
  /// case.
  public var skipsNonFinite = false {
    didSet { controlIsChecked = false }
  }

  /// The tensors that steps leave out until this is changed, by name: those that got no gradient.
  /// Their parameters and states stay as they are, and their gradients are neither read, nor part
  /// of a norm or of what has to be finite; a step that zeroes gradients zeroes these too. An
  /// unknown name is refused by the next step.
  ///
  /// A tensor's bias correction follows its group's step count, which also counts steps that leave
  /// the tensor out. PyTorch counts for each parameter. The first move of a tensor that was left
  /// out until then differs: Adam's is up to (1 − β₁)/√(1 − β₂) = 3.2 times PyTorch's. A tensor
  /// that needs a count of its own needs a group of its own, frozen instead of left out. Once a
  /// counted step has left a tensor out, saving under PyTorch's names is refused, except for SGD
  /// without dampening, which counts no steps.
  ///
  /// A change costs the next step a new plan.
  public var leftOut: Set<String> = [] {
    didSet { controlIsChecked = false }
  }

  /// The average of the parameters (EMA), which every applied step updates in its own pass; nil
  /// keeps none, and drops an existing one. See ``average()``.
  ///
  /// A frozen group's average stays as it is, too, as does that of a tensor left out: a step reads
  /// and writes nothing of them. Other libraries' averages go on towards parameters that no longer
  /// change. Set that limit when you freeze a group:
  ///
  ///     try optimizer.setState("average", of: "weight", to: weight)
  public var averaging: ParameterAverage? {
    didSet {
      controlIsChecked = false
      if averaging == nil {
        averageHasBegun = false
        engine.dropAverage()
      }
    }
  }

  /// How many gradients ``accumulate(_:)`` has summed up for the coming step.
  public internal(set) var accumulatedCount = 0

  /// The states that the rules of all groups keep, by name.
  public let stateNames: [String]

  /// Receives log messages. `nil`, the default, disables logging. At `info`: the engine and the
  /// reason for it, with a tuned launch shape; at `debug`: each OpenCL program that was built or
  /// loaded from the cache; at `notice`: skipped steps, when they become known, and settings that
  /// loading a state replaces.
  ///
  /// A step without a message calls no logger and allocates nothing for it.
  public var logger: Logger? {
    didSet { engine.log(to: logger) }
  }

  /// The tensors that were left out of a step that their group has counted.
  var missedSteps: Set<String> = []
  /// Those that a step leaves out and its group counts, but for ``missedSteps``.
  private var missing: Set<String> = []
  /// Those of the steps that were taken and may still turn out to be skipped.
  private var missingInFlight: Set<String> = []
  let engine: any Engine
  let groups: GroupRules
  var appliedSteps = 0
  var skippedSteps = 0
  var control = StepControl()
  var controlIsChecked = false
  private var scheduleIsChecked = false
  var lastStepLooked = false
  var averageHasBegun = false
  /// Whether the states that begin as a copy of the parameters do so no more.
  var statesHaveBegun = true
  /// The vectors whose pieces were last found not to overlap.
  var apart = PieceCheck()
  /// The same for gradients alone, which are summed up.
  var gradientsApart = PieceCheck()
  /// The rule that the states belong to.
  let firstRule: any UpdateRule
  private var ruleIsChecked = false
  /// Whether the rule may follow itself: not where it announces a γ that changes.
  private var ruleFollowsItself = false
  /// The schedule that the steps in flight follow.
  private var stepSchedule: Schedule?
  /// The rule as the last step took it, for rules that depend on it.
  var lastRule: (any UpdateRule)? {
    didSet { lastRuleIsRule = false }
  }
  /// Whether the two are known to be the same, so that a step need not copy it.
  private var lastRuleIsRule = false
  var isSettled = false
  var tornReason: String?

  /// An optimizer before its first step.
  ///
  /// - Parameters:
  ///   - rule: what a step does; its hyper-parameters may change between steps.
  ///   - layout: names, shapes and groups of the tensors.
  ///   - rules: rules of their own, by group: `["matrices": Momentum(learningRate: 0.02)]`. All
  ///     groups share the step, one global norm, one decision and one checkpoint. A tensor has the
  ///     states of its group's rule and no others.
  ///   - storage: what the parameters are in memory.
  ///   - choice: what runs the steps.
  ///   - logger: ``logger``, from the choice of the engine on.
  /// - Throws: ``DescentError`` for an invalid rule or engine choice; `OpenCLError` if the device
  ///   refuses.
  public init(
    _ rule: any UpdateRule, layout: ParameterLayout, rules: [String: any UpdateRule] = [:],
    storage: Storage = .float32, on choice: EngineChoice = .automatic, logger: Logger? = nil
  ) throws {
    try rule.validate()
    (self.rule, baseLearningRate) = (rule, rule.learningRate)
    self.layout = layout
    firstRule = rule
    let groups = try withDefaultFloatingPoint {
      try GroupRules(rule, layout, ownRules: rules, storage: storage)
    }
    self.groups = groups
    stateNames = groups.programs.stateNames
    statesHaveBegun = !groups.programs.copiesParameters
    (engine, engineReason) = try withDefaultFloatingPoint {
      try choice.engine(for: groups.programs, logger: logger)
    }
    self.logger = logger
    logger?.engine(engineName, because: engineReason)
  }

  /// With an engine of the caller's, for tests.
  init(_ rule: any UpdateRule, layout: ParameterLayout, engine: any Engine) throws {
    try rule.validate()
    (self.rule, firstRule) = (rule, rule)
    baseLearningRate = rule.learningRate
    (self.layout, self.engine, engineReason) = (layout, engine, "asked for")
    groups = try withDefaultFloatingPoint { try GroupRules(rule, layout) }
    stateNames = groups.programs.stateNames
  }

  /// η of the coming step, before its group's factor: the schedule's where there is one, else the
  /// rule's. With a schedule it waits and throws as ``stepCount`` does.
  public var learningRate: Double {
    get throws {
      guard let schedule else { return rule.learningRate }
      return schedule.learningRate(after: try stepCount)
    }
  }

  /// Sets η from the next step on, which validates it. Removes the schedule and leaves
  /// ``baseLearningRate``.
  public func setLearningRate(_ rate: Double) {
    schedule = nil
    let base = baseLearningRate
    rule.learningRate = rate
    // That of a rule that no step could take is no run's.
    if base.isFinite && base >= 0 { baseLearningRate = base }
  }

  // MARK: A step, whatever the memory

  /// Checks that a step may be taken, takes it in the default floating-point environment, counts
  /// it.
  func take<Result>(
    _ gradientScale: Double, zeroes: Bool, _ update: (StepInput) throws -> Result
  ) throws -> Result {
    try checkStates()
    if isSettled { throw DescentError.settled }
    // Steps in flight move the histories on as the rules and schedules were when they were
    // enqueued.
    if groups.haveHistory && !(ruleIsChecked && scheduleIsChecked) { try collect(wait: true) }
    if !ruleIsChecked { try checkRule(after: lastRule) }
    try groups.checkOwn()
    if !controlIsChecked { try checkControl() }
    try checkLookAhead()
    try checkScale(gradientScale)
    // Steps that the engine decides are counted when it reports them; all others are counted
    // immediately.
    try collect(wait: !control.looks)
    try checkCounts()
    try checkRates()
    let input = StepInput(
      groups: groups, gradientScale: gradientScale, schedule: schedule, appliedSteps: appliedSteps,
      control: control, zeroes: zeroes, accumulates: accumulatedCount > 0,
      average: averaging.map { AverageStep(weight: $0.weight, begins: !averageHasBegun) },
      statesBegin: !statesHaveBegun)
    stepSchedule = schedule
    let result = try markingTornSteps { try withDefaultFloatingPoint { try update(input) } }
    if !missing.isEmpty { missingInFlight.formUnion(missing) }
    if !control.looks { count(DecidedSteps(applied: 1)) }
    accumulatedCount = 0
    averageHasBegun = averaging != nil
    statesHaveBegun = true
    lastStepLooked = control.looks
    if !lastRuleIsRule {
      lastRule = rule
      lastRuleIsRule = true
    }
    groups.keepLast()
    ruleIsChecked = ruleFollowsItself
    return result
  }

  /// Throws if a step might be one more than a state can count.
  private func checkCounts() throws {
    let most = OptimizerStatus.maximumStepCount - engine.stepsInFlight
    guard max(appliedSteps, skippedSteps) < most, groups.counts.allSatisfy({ $0 < most }) else {
      let count = max(appliedSteps, skippedSteps, groups.counts.max() ?? 0)
      throw DescentError.value(
        of: "the step count before a step", given: "\(count)",
        allowed: "less than \(OptimizerStatus.maximumStepCount)")
    }
  }

  /// Counts the steps that were decided since the last call; with `wait`, all.
  func collect(wait: Bool) throws {
    if wait && engine.stepsInFlight == 0 { return count(try engine.collect(wait: false)) }
    count(try markingTornSteps { try engine.collect(wait: wait) })
  }

  private func count(_ steps: DecidedSteps) {
    if steps.applied == 0 && steps.skipped == 0 && missingInFlight.isEmpty { return }
    let before = appliedSteps
    appliedSteps += steps.applied
    skippedSteps += steps.skipped
    let schedule = stepSchedule
    groups.count(steps.applied) { group, step in
      groups.learningRate(ofGroup: group, after: before + step, schedule)
    }
    if !missingInFlight.isEmpty { countMissed(steps) }
    if steps.skipped > 0 { logSkippedSteps(steps.skipped) }
  }

  /// Where some of the steps in flight were skipped, it is not known which, and all count.
  private func countMissed(_ steps: DecidedSteps) {
    if steps.applied > 0 {
      missedSteps.formUnion(missingInFlight)
      missing.subtract(missingInFlight)
    }
    if engine.stepsInFlight == 0 { missingInFlight = [] }
  }

  /// No tensor has missed a step but these.
  func beginMissedSteps(_ names: Set<String> = []) {
    (missedSteps, missingInFlight) = (names, [])
    controlIsChecked = false
  }

  /// Throws if an earlier step left the states half updated.
  func checkStates() throws {
    if tornReason == nil { try markingTornSteps { try engine.checkEnqueued() } }
    if let tornReason { throw DescentError.tornStep(tornReason) }
  }

  func markingTornSteps<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let torn as TornStep {
      tornReason = "\(torn.underlying)"
      throw torn.underlying
    }
  }

  /// Throws unless the rule is valid, can continue with the states, and may follow `last`.
  func checkRule(after last: (any UpdateRule)?) throws {
    try rule.validate()
    guard type(of: rule) == type(of: firstRule), rule.stateMeaning == firstRule.stateMeaning else {
      throw DescentError.ruleChanged(from: firstRule.meaning, to: rule.meaning)
    }
    if let last { try Self.validate(rule, after: last) }
    try withDefaultFloatingPoint { try groups.follow(rule) }
    ruleFollowsItself = (try? Self.validate(rule, after: rule)) != nil
    ruleIsChecked = true
  }

  private static func validate<Rule: UpdateRule>(_ rule: Rule, after last: any UpdateRule) throws {
    if let last = last as? Rule { try rule.validate(after: last) }
  }

  /// Throws if a rule prepares for the next step by one that may not be taken, or not by all
  /// groups.
  private func checkLookAhead() throws {
    guard let unskippable = groups.unskippable,
      control.looks || !leftOut.isEmpty || groups.groups.contains(where: \.isFrozen)
    else { return }
    throw DescentError.combination(
      rule: unskippable.rule,
      reason: "\(unskippable.reason) in a step that may be skipped, leaves tensors out or has a "
        + "frozen group")
  }

  /// Throws unless clipping, averaging and `leftOut` are valid, and sets up the step control.
  private func checkControl() throws {
    try clipping?.validate()
    try averaging?.validate()
    for name in leftOut { _ = try layout.tensor(name) }
    control.leftOut = leftOut.isEmpty ? [] : layout.tensors.map { leftOut.contains($0.name) }
    let frozen = Set(zip(groups.names, groups.groups).filter { $1.isFrozen }.map { $0.0 })
    let counted = layout.tensors.filter {
      leftOut.contains($0.name) && !frozen.contains($0.group)
    }
    missing = Set(counted.map(\.name)).subtracting(missedSteps)
    control.clipping = clipping
    control.skipsNonFinite = skipsNonFinite
    control.groupClipping = groups.groups.map(\.clipping)
    control.isFrozen = groups.groups.map(\.isFrozen)
    controlIsChecked = true
  }

  /// Throws unless the schedule is valid and gives the next step a rate, however many of the steps
  /// in flight are applied.
  private func checkRates() throws {
    if !scheduleIsChecked { try schedule?.validate() }
    scheduleIsChecked = true
    guard schedule != nil || groups.haveSchedules else { return }
    var refusal = refusedRate()
    // A rate that may never be reached refuses nothing, so which step comes has to be known.
    if refusal != nil && engine.stepsInFlight > 0 {
      try collect(wait: true)
      refusal = refusedRate()
    }
    if let refusal { throw refusal }
  }

  private func refusedRate() -> DescentError? {
    for steps in appliedSteps...appliedSteps + engine.stepsInFlight {
      for (index, rule) in groups.rules.enumerated() {
        let rate = withDefaultFloatingPoint {
          groups.learningRate(ofGroup: index, after: steps, schedule)
        }
        guard let own = rate else { continue }
        // It may run out, to where it is 0 as a Float. What a step makes of one that is not huge is
        // a Float.
        let isFloat = own >= 0 && Float(own).isFinite
        if isFloat,
          own < 1e20 && own * rule.appliedDecay.strength < 1e38
            || withDefaultFloatingPoint({ rule.with(learningRate: own).scalarsAreFinite })
        {
          continue
        }
        return .value(
          of: "schedule: the learning rate after \(steps) steps, with a group's factor,",
          given: "\(own)",
          allowed: isFloat
            ? "one of which a step with these hyper-parameters makes numbers that a Float can hold"
            : Hyperparameter<Schedule>.Allowed.atLeastZero.description)
      }
    }
    return nil
  }

  func checkCount(_ what: String, _ given: Int) throws(DescentError) {
    guard given == layout.count else {
      throw .count(of: what, given: given, expected: layout.count)
    }
  }
}
