/// A rule at work on a model: owns the rule's states and counts its steps.
///
/// ```swift
/// var layout = ParameterLayout()
/// try layout.append("weight", shape: [10, 64])
/// let optimizer = try Optimizer(Adam(learningRate: 1e-3), layout: layout)
/// try optimizer.step(&parameters, gradients: gradients)
/// ```
///
/// Not `Sendable`, and without a lock: one trainer, one optimizer. Whatever the engine, the same
/// calls leave the same bits, except on a device that says otherwise of itself (`Device.sameBits`).
public final class Optimizer {
  /// The rule. It may be replaced between steps, `optimizer.rule = Adam(learningRate: 1e-4)`; the next
  /// step validates it, and refuses another type and hyper-parameters that change which states there
  /// are or what they mean. States begin as the first rule says.
  public var rule: any UpdateRule {
    didSet { ruleIsChecked = false }
  }

  public let layout: ParameterLayout

  /// What runs the steps: `cpu (avx512, 2 threads)`.
  public var engineName: String { engine.name }

  /// Why this engine, in a sentence.
  public let engineReason: String

  /// How many steps have been taken; a skipped one is none. Bias corrections follow from it. Waits for
  /// enqueued steps that may be skipped; one that failed throws at the next call that throws.
  public var stepCount: Int {
    try? collect(wait: true)
    return appliedSteps
  }

  /// How many steps were skipped since the beginning or a restored state, because their gradient was not
  /// finite. Waits as ``stepCount``.
  public var skippedStepCount: Int {
    try? collect(wait: true)
    return skippedSteps
  }

  /// How gradients are clipped from the next step on, in groups that do not say otherwise. A wrong limit
  /// is refused by that step.
  public var clipping: Clipping? {
    didSet { controlIsChecked = false }
  }

  /// Whether a step with a gradient that is not finite, once it is scaled, leaves parameters, states and
  /// step count as they were. Norm clipping and a loss scale skip such steps in any case.
  public var skipsNonFinite = false {
    didSet { controlIsChecked = false }
  }

  /// The states that the rule keeps, by name.
  public let stateNames: [String]

  let engine: any Engine
  let groups: GroupRules
  var appliedSteps = 0
  var skippedSteps = 0
  var control = StepControl()
  var controlIsChecked = false
  var lastStepLooked = false
  /// The vectors whose pieces were last found not to overlap.
  var apart = PieceCheck()
  /// The rule that the states belong to.
  let firstRule: any UpdateRule
  private var ruleIsChecked = true
  /// The rule as the last step took it, for rules that look back.
  var lastRule: (any UpdateRule)?
  var isSettled = false
  var tornReason: String?

  /// - Throws: ``DescentError`` for a rule or an engine choice that cannot be; `OpenCLError` if the
  ///   device refuses.
  public init(
    _ rule: any UpdateRule, layout: ParameterLayout, on choice: EngineChoice = .automatic
  ) throws {
    try rule.validate()
    self.rule = rule
    self.layout = layout
    firstRule = rule
    stateNames = rule.stateNames
    groups = try withDefaultFloatingPoint { try GroupRules(rule, layout) }
    (engine, engineReason) = try withDefaultFloatingPoint {
      try choice.engine(for: rule, layout: layout)
    }
  }

  /// With an engine of the caller's, for tests.
  init(_ rule: any UpdateRule, layout: ParameterLayout, engine: any Engine) throws {
    try rule.validate()
    (self.rule, firstRule, stateNames) = (rule, rule, rule.stateNames)
    (self.layout, self.engine, engineReason) = (layout, engine, "asked for")
    groups = try withDefaultFloatingPoint { try GroupRules(rule, layout) }
  }

  /// η of the rule.
  public var learningRate: Double {
    get { rule.learningRate }
    set { rule.learningRate = newValue }
  }

  // MARK: A step, whatever the memory

  /// Checks that a step may be taken, takes it in the default floating-point environment, counts it.
  func take<Result>(
    _ gradientScale: Double, zeroes: Bool, _ update: (StepInput) throws -> Result
  ) throws -> Result {
    try checkStates()
    if isSettled { throw DescentError.settled }
    if !ruleIsChecked { try checkRule(after: lastRule) }
    if !controlIsChecked { try checkControl() }
    try checkLookAhead()
    try checkScale(gradientScale)
    // What the engine decides it tells of later; all else is counted here and now.
    try collect(wait: !control.looks)
    let input = StepInput(
      groups: groups, gradientScale: gradientScale, control: control, zeroes: zeroes)
    let result = try markingTornSteps { try withDefaultFloatingPoint { try update(input) } }
    if !control.looks { count(DecidedSteps(applied: 1)) }
    lastStepLooked = control.looks
    lastRule = rule
    // Where a rule cannot follow itself, as with a γ announced to change, it is looked at again.
    ruleIsChecked = (try? Self.validate(rule, after: rule)) != nil
    return result
  }

  /// Counts the steps that were decided since the last call; with `wait`, all.
  func collect(wait: Bool) throws {
    if wait && engine.stepsInFlight == 0 { return count(try engine.collect(wait: false)) }
    count(try markingTornSteps { try engine.collect(wait: wait) })
  }

  private func count(_ steps: DecidedSteps) {
    appliedSteps += steps.applied
    skippedSteps += steps.skipped
    groups.count(steps.applied)
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

  /// Throws unless the rule is valid, goes on with the states, and may follow `last`.
  func checkRule(after last: (any UpdateRule)?) throws {
    try rule.validate()
    guard type(of: rule) == type(of: firstRule), rule.stateMeaning == firstRule.stateMeaning else {
      throw DescentError.ruleChanged(from: firstRule.meaning, to: rule.meaning)
    }
    if let last { try Self.validate(rule, after: last) }
    try withDefaultFloatingPoint { try groups.follow(rule) }
    ruleIsChecked = true
  }

  private static func validate<Rule: UpdateRule>(_ rule: Rule, after last: any UpdateRule) throws {
    if let last = last as? Rule { try rule.validate(after: last) }
  }

  /// Throws if momentum is announced to change by a step that may not be taken, or not by all groups:
  /// the look-ahead point would be ahead by another γ than the next step prepares for.
  private func checkLookAhead() throws {
    guard let rule = rule as? Nesterov, rule.heldMomentum != rule.momentum,
      control.looks || groups.groups.contains(where: \.isFrozen)
    else { return }
    throw DescentError.unsupported(
      "nesterov: nextMomentum cannot change in a step that may be skipped or with a frozen group")
  }

  /// Throws unless clipping and the loss scale can be, and puts together what steps do beside the update.
  private func checkControl() throws {
    try clipping?.validate()
    control.clipping = clipping
    control.skipsNonFinite = skipsNonFinite
    control.groupClipping = groups.groups.map(\.clipping)
    control.isFrozen = groups.groups.map(\.isFrozen)
    controlIsChecked = true
  }

  func checkCount(_ what: String, _ given: Int) throws {
    guard given == layout.count else {
      throw DescentError.count(of: what, given: given, expected: layout.count)
    }
  }
}
