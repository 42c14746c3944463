/// The rules of the groups of a layout, the step count of each group, and the histories of their
/// rules.
///
/// A class, so that an optimizer counts its steps without copying.
final class GroupRules {
  let names: [String]
  private(set) var groups: [ParameterGroup]
  /// A group's own rule; nil where it follows the optimizer's.
  private(set) var own: [(any UpdateRule)?] {
    didSet { hasOwn = own.contains { $0 != nil } }
  }
  private var hasOwn: Bool
  /// A group's own schedule; nil where it follows the optimizer's, or where its rule is its own.
  var schedules: [Schedule?]
  /// Each group's rule with the group's settings.
  private(set) var rules: [any UpdateRule] {
    didSet { unskippable = Self.unskippable(rules) }
  }
  /// The first of these rules with an ``UpdateRule/unskippable`` step.
  private(set) var unskippable: (rule: String, reason: String)?
  /// The rules that the groups' states belong to.
  let first: [any UpdateRule]
  /// The groups' own rules as the last step took them, for rules that depend on it.
  var lastOwn: [(any UpdateRule)?]
  let programs: RulePrograms
  /// Steps taken.
  var counts: [Int]
  /// The histories of the groups' rules after these steps.
  private(set) var histories: [[Double]]
  /// For steps that may come, of the same lengths.
  private var later: [[Double]]

  /// - Parameters:
  ///   - rule: of the groups that have none of their own.
  ///   - ownRules: by group.
  /// - Throws: ``DescentError`` if a group's settings and its rule do not go together, or if the
  ///   layout has no group of such a name.
  init(
    _ rule: any UpdateRule, _ layout: ParameterLayout,
    ownRules: [String: any UpdateRule] = [:], storage: Storage = .float32
  ) throws {
    names = layout.groupNames
    groups = names.map { layout.group($0) ?? ParameterGroup() }
    own = names.map { ownRules[$0] }
    hasOwn = !ownRules.isEmpty
    schedules = names.map { _ in nil }
    lastOwn = schedules.map { _ in nil }
    let first = own.map { $0 ?? rule }
    self.first = first
    rules = zip(groups, first).map { $0.applied(to: $1) }
    unskippable = Self.unskippable(rules)
    for rule in first + [rule] { try RulePrograms.Program(rule, storage).validate(rule) }
    let programs = RulePrograms(layout, first, else: rule, storage)
    try programs.checkMatrices(first)
    self.programs = programs
    counts = Array(repeating: 0, count: names.count)
    histories = first.map { $0.history.map(\.start) }
    later = histories
    for name in ownRules.keys.sorted() { _ = try index(of: name) }
    for rule in own { try rule?.validate() }
    for rule in rules { try rule.validate() }
  }

  private static func unskippable(
    _ rules: [any UpdateRule]
  ) -> (rule: String, reason: String)? {
    for rule in rules {
      if let reason = rule.unskippable { return (type(of: rule).name, reason) }
    }
    return nil
  }

  func index(of name: String) throws -> Int {
    guard let index = names.firstIndex(of: name) else {
      throw DescentError.unknown(kind: "group", name: name, known: names)
    }
    return index
  }

  /// Replaces a group's settings, once they and what they make of its rule are found valid.
  func set(_ index: Int, to group: ParameterGroup, _ rule: any UpdateRule) throws {
    try group.validate(names[index])
    let applied = group.applied(to: own[index] ?? rule)
    try applied.validate()
    groups[index] = group
    rules[index] = applied
  }

  /// Gives a group a rule of its own whose states mean the same as those it has; nil has it follow
  /// `rule`.
  func setOwn(_ index: Int, to own: (any UpdateRule)?, else rule: any UpdateRule) throws {
    let chosen = own ?? rule
    try chosen.validate()
    try checkMeaning(index, chosen)
    let applied = groups[index].applied(to: chosen)
    try applied.validate()
    self.own[index] = own
    rules[index] = applied
  }

  /// Throws unless every group's own rule may follow itself as the last step took it.
  func checkOwn() throws {
    guard hasOwn else { return }
    func check<Rule: UpdateRule>(_ rule: Rule, after last: any UpdateRule) throws {
      if let last = last as? Rule { try rule.validate(after: last) }
    }
    for index in own.indices {
      if let rule = own[index], let last = lastOwn[index] { try check(rule, after: last) }
    }
  }

  /// The step that is taken is the groups' last.
  func keepLast() {
    guard hasOwn else { return }
    for index in own.indices where own[index] != nil { lastOwn[index] = own[index] }
  }

  /// Throws unless a rule can continue with a group's states.
  func checkMeaning(_ index: Int, _ rule: any UpdateRule) throws {
    let first = first[index]
    guard type(of: rule) == type(of: first), rule.stateMeaning == first.stateMeaning else {
      throw DescentError.ruleChanged(from: first.meaning, to: rule.meaning)
    }
  }

  /// Takes another rule for the groups without one of their own, or throws and keeps the one
  /// before.
  func follow(_ rule: any UpdateRule) throws {
    if groups.allSatisfy({ $0 == ParameterGroup() }) {
      // In place, and with one call of `didSet`.
      func replace(in rules: inout [any UpdateRule]) {
        for index in rules.indices where own[index] == nil { rules[index] = rule }
      }
      return replace(in: &rules)
    }
    let applied = groups.indices.map { groups[$0].applied(to: own[$0] ?? rule) }
    for rule in applied { try rule.validate() }
    rules = applied
  }

  /// The learning rate of a group in the step that comes after so many; nil where it is its rule's
  /// own.
  ///
  /// - Parameter schedule: of groups without a rule or a schedule of their own.
  func learningRate(ofGroup group: Int, after steps: Int, _ schedule: Schedule?) -> Double? {
    guard let schedule = schedules[group] ?? (own[group] == nil ? schedule : nil) else {
      return nil
    }
    return schedule.learningRate(after: steps) * groups[group].learningRateFactor
  }

  var haveSchedules: Bool { schedules.contains { $0 != nil } }

  /// Whether a group's rule has a history.
  var haveHistory: Bool { histories.contains { !$0.isEmpty } }

  /// Counts steps of every group that is not frozen.
  ///
  /// - Parameter rate: the learning rate of a group in the nth of these steps, from 0; nil leaves
  ///   the rule's own.
  func count(_ steps: Int, rate: (_ group: Int, _ step: Int) -> Double? = { _, _ in nil }) {
    for index in counts.indices where !groups[index].isFrozen {
      if !histories[index].isEmpty {
        for step in 0..<steps {
          rules[index].advance(
            &histories[index], at: counts[index] + 1 + step, learningRate: rate(index, step))
        }
      }
      counts[index] += steps
    }
  }

  /// Sets a group's count and history.
  func begin(_ index: Int, at count: Int, history: [Double]? = nil) {
    counts[index] = count
    histories[index] = history ?? first[index].history.map(\.start)
    later[index] = histories[index]
  }

  /// Calls `body` with the preparation and scalars of a group in its next step, or in the one that
  /// comes `later` steps after it: calls for the same group count up from 0.
  func withScalars<Result>(
    ofGroup index: Int, later steps: Int, learningRate: Double?, gradientScale: Double,
    limit: Double, averageWeight: Float,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    if later[index].isEmpty {
      // Nearly every rule: without access to the array, which would be checked for exclusivity.
      var none: [Double] = []
      return try rules[index].withScalars(
        at: counts[index] + 1 + steps, history: &none, learningRate: learningRate,
        gradientScale: gradientScale, limit: limit, averageWeight: averageWeight, body)
    }
    // In place: an assigned array would be copied when it is moved on.
    if steps == 0 {
      for place in later[index].indices { later[index][place] = histories[index][place] }
    }
    return try rules[index].withScalars(
      at: counts[index] + 1 + steps, history: &later[index], learningRate: learningRate,
      gradientScale: gradientScale, limit: limit, averageWeight: averageWeight, body)
  }
}

/// How the average of the parameters follows a step.
struct AverageStep {
  /// 1 − d.
  let weight: Float
  /// Whether it is first set to the parameters as they are before the step.
  let begins: Bool
}

/// The inputs of a step except the vectors.
struct StepInput {
  let groups: GroupRules
  let gradientScale: Double
  /// What gives the learning rate of groups without a rule of their own; nil leaves it to the
  /// rules.
  var schedule: Schedule?
  /// Steps that are known to be taken.
  var appliedSteps = 0
  var control = StepControl()
  /// Whether the gradients are 0 afterwards.
  var zeroes = false
  /// Whether the sum of earlier gradients is part of this step's.
  var accumulates = false
  var average: AverageStep?
  /// Whether states that begin as a copy of the parameters are first set to them.
  var statesBegin = false

  /// Whether a stretch is not updated: its group is frozen, or is the one of tensors that are left
  /// out.
  func isIdle(_ group: Int) -> Bool {
    group == groups.groups.count || groups.groups[group].isFrozen
  }

  /// The learning rate that a group's rule has in the coming step, or in the step that comes
  /// `later` steps after that; nil where it is the rule's own.
  func learningRate(ofGroup group: Int, later: Int = 0) -> Double? {
    groups.learningRate(ofGroup: group, after: appliedSteps + later, schedule)
  }

  /// Writes a ``GroupRow`` for each group's coming step in a program, one group after another and
  /// as a frozen one what is left out; or for the step that comes `later` steps after that. Rows of
  /// one group are written in the order of the steps.
  func write(
    to memory: UnsafeMutableRawBufferPointer, stride: Int, program: Int, later: Int = 0
  ) {
    let programs = groups.programs.ofGroup
    for index in programs.indices where programs[index] == program {
      let start = index * stride
      groups.withScalars(
        ofGroup: index, later: later, learningRate: learningRate(ofGroup: index, later: later),
        gradientScale: gradientScale,
        limit: control.clipping(ofGroup: index)?.valueLimit ?? .infinity,
        averageWeight: average?.weight ?? 0
      ) { preparation, scalars in
        memory[start...].copyBytes(from: preparation)
        memory[(start + GroupRow.scalarsOffset)...].copyBytes(from: scalars)
      }
    }
    for index in 0...groups.groups.count {
      memory.storeBytes(
        of: isIdle(index) ? 1 : 0, toByteOffset: index * stride + GroupRow.frozenOffset,
        as: UInt32.self)
    }
  }
}

extension UpdateRule {
  /// The rule at another learning rate; nil leaves it.
  func with(learningRate: Double?) -> Self {
    guard let learningRate else { return self }
    var rule = self
    rule.learningRate = learningRate
    return rule
  }

  /// Moves a history on by one step.
  func advance(_ history: inout [Double], at step: Int, learningRate: Double?) {
    _ = with(learningRate: learningRate).scalars(at: step, history: &history)
  }

  /// Calls `body` with the preparation and the rule's scalars as kernels take them, for a rule
  /// without a history.
  func withScalars<Result>(
    at step: Int, gradientScale: Double, limit: Double = .infinity,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    var none: [Double] = []
    return try withScalars(
      at: step, history: &none, gradientScale: gradientScale, limit: limit, body)
  }

  /// Calls `body` with the preparation and the rule's scalars as kernels take them, and moves the
  /// history on. The learning rate is an argument, since a changed copy of an `any UpdateRule`
  /// would be on the heap.
  func withScalars<Result>(
    at step: Int, history: inout [Double], learningRate: Double? = nil, gradientScale: Double,
    limit: Double = .infinity, averageWeight: Float = 0,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    let rule = with(learningRate: learningRate)
    let preparation = Preparation<Float>(
      rule, gradientScale: gradientScale, limit: limit, averageWeight: averageWeight)
    let scalars = rule.scalars(at: step, history: &history)
    return try withUnsafeBytes(of: preparation) { preparation in
      try withUnsafeBytes(of: scalars) { scalars in try body(preparation, scalars) }
    }
  }
}
