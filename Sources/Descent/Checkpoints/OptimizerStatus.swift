/// The step counts, rule and settings of an optimizer: all that a run needs to continue with the
/// same bits, except parameters and states.
public struct OptimizerStatus: Sendable {
  /// The rule with its hyper-parameters, as the coming step takes it.
  public var rule: any UpdateRule
  /// As ``Optimizer/baseLearningRate``; nil where it is the rule's learning rate.
  public var baseLearningRate: Double?
  /// The rule as the last step took it, for rules that depend on it; nil before the first step.
  public var lastRule: (any UpdateRule)?
  /// The rules of groups that have one of their own, as the coming step takes them.
  public var groupRules: [String: any UpdateRule] = [:]
  /// The same as the last step took them.
  public var lastGroupRules: [String: any UpdateRule] = [:]
  /// The schedules of groups that have one of their own.
  public var groupSchedules: [String: Schedule] = [:]
  /// By group: the values of its rule's ``UpdateRule/history`` by name, after the last step.
  public var histories: [String: [String: Double]] = [:]
  /// Names and shapes, which group each tensor follows, and the groups' settings.
  public var layout: ParameterLayout
  /// Steps taken; skipped ones are none.
  public var stepCount = 0
  /// Steps whose gradient was not finite.
  public var skippedStepCount = 0
  /// Steps that each group has taken: fewer than ``stepCount`` where it was frozen.
  public var groupStepCounts: [String: Int]
  /// As ``Optimizer/clipping``.
  public var clipping: Clipping?
  /// As ``Optimizer/skipsNonFinite``.
  public var skipsNonFinite = false
  /// With the scale as the last step left it.
  public var lossScale: LossScale?
  /// Its position follows from ``stepCount``. A schedule made of a function can be held here, but
  /// not in a file.
  public var schedule: Schedule?
  /// The tensors that steps leave out.
  public var leftOut: Set<String> = []
  /// The tensors that were left out of a step that their group has counted.
  public var missedSteps: Set<String> = []
  /// As ``Optimizer/averaging``.
  public var averaging: ParameterAverage?
  /// Whether there is an average of the parameters among the states, as `average`.
  public var averageHasBegun = false

  /// What the parameters are in memory: in 16 bits they have a state of their own.
  public var storage = Storage.float32 {
    didSet {
      if stepCount == 0 && storage.companion?.copiesParameters == true { statesHaveBegun = false }
    }
  }

  /// Whether states that begin as a copy of the parameters have done so.
  public var statesHaveBegun = true

  /// The states that there are: those of the rules of all groups, the storage's and the average.
  public var stateNames: [String] {
    var names: [String] = []
    for group in layout.groupNames {
      for name in groupRule(group).stateNames where !names.contains(name) { names.append(name) }
    }
    if layout.groupNames.isEmpty { names = rule.stateNames }
    return names + besideNames
  }

  /// The states of a tensor of the layout: those of its group's rule, the storage's and the average.
  public func stateNames(ofTensor name: String) -> [String] {
    tensorRule(name).stateNames + besideNames
  }

  /// The states of every rule.
  private var besideNames: [String] {
    [storage.companion?.name].compactMap { $0 }
      + (averageHasBegun ? [Optimizer.averageName] : [])
  }

  /// What the numbers of a state are in a file.
  func elementType(ofState name: String) -> ElementType {
    storage.companion.map { $0.name == name ? $0.type : .float32 } ?? .float32
  }

  /// The rule that a group follows.
  func groupRule(_ name: String) -> any UpdateRule { groupRules[name] ?? rule }

  /// The layout of a whole model's state as one array.
  func wholeState(_ name: String) -> WholeState {
    WholeState(layout) { tensorRule($0.name).shape(ofState: name) }
  }

  func tensorRule(_ name: String) -> any UpdateRule {
    layout[name].map { groupRule($0.group) } ?? rule
  }

  /// Before the first step.
  public init(_ rule: any UpdateRule, layout: ParameterLayout) {
    (self.rule, self.layout) = (rule, layout)
    statesHaveBegun = !rule.states.contains { $0.start == .parameters }
    groupStepCounts = Dictionary(uniqueKeysWithValues: layout.groupNames.map { ($0, 0) })
  }

  /// The greatest step count that a state may have: 2⁵³, which every program's numbers hold.
  public static let maximumStepCount = 1 << 53

  /// Throws ``DescentError`` or ``CheckpointError`` for a rule, a count or a setting that cannot
  /// be.
  func validate() throws {
    try rule.validate()
    try lastRule?.validate()
    if let lastRule, lastRule.meaning != rule.meaning {
      throw CheckpointError.rule(found: lastRule.meaning, expected: rule.meaning)
    }
    try checkStepCount("the step count", stepCount)
    try checkStepCount("the count of skipped steps", skippedStepCount)
    for name in layout.groupNames {
      guard let count = groupStepCounts[name] else {
        throw DescentError.value(
          of: "the step count of group \"\(name)\"", given: "missing",
          allowed: "0 to \(Self.maximumStepCount)")
      }
      try checkStepCount("the step count of group \"\(name)\"", count)
      let group = layout.group(name) ?? ParameterGroup()
      try group.validate(name)
      let rule = groupRule(name)
      try group.applied(to: rule).validate()
      _ = try rule.values(
        ofHistory: histories[name] ?? [:], after: groupStepCounts[name] ?? 0, group: name)
      if let last = lastGroupRules[name], last.meaning != rule.meaning {
        throw CheckpointError.rule(found: last.meaning, expected: rule.meaning)
      }
    }
    for name in groupRules.keys.sorted() + lastGroupRules.keys.sorted()
      + groupSchedules.keys.sorted() + histories.keys.sorted() where layout.group(name) == nil
    {
      throw DescentError.unknown(kind: "group", name: name, known: layout.groupNames)
    }
    for rule in groupRules.values { try rule.validate() }
    for rule in lastGroupRules.values { try rule.validate() }
    for schedule in groupSchedules.values { try schedule.validate() }
    for name in groupStepCounts.keys where layout.group(name) == nil {
      throw DescentError.unknown(kind: "group", name: name, known: layout.groupNames)
    }
    try clipping?.validate()
    try lossScale?.validate()
    try schedule?.validate()
    for name in leftOut.union(missedSteps) { _ = try layout.tensor(name) }
    if let baseLearningRate, !(baseLearningRate.isFinite && baseLearningRate >= 0) {
      throw DescentError.value(
        of: "the base learning rate", given: "\(baseLearningRate)",
        allowed: "finite and at least 0")
    }
    try averaging?.validate()
    if averageHasBegun && averaging == nil {
      throw DescentError.value(
        of: "averaging", given: "none, with an average that has begun", allowed: "a decay")
    }
  }
}

extension OptimizerStatus: Equatable {
  public static func == (a: OptimizerStatus, b: OptimizerStatus) -> Bool {
    AnyHashable(a.rule) == AnyHashable(b.rule)
      && a.lastRule.map { AnyHashable($0) } == b.lastRule.map { AnyHashable($0) }
      && a.layout == b.layout && a.stepCount == b.stepCount
      && a.skippedStepCount == b.skippedStepCount && a.groupStepCounts == b.groupStepCounts
      && a.clipping == b.clipping && a.skipsNonFinite == b.skipsNonFinite
      && a.lossScale == b.lossScale && a.schedule == b.schedule && a.leftOut == b.leftOut
      && (a.baseLearningRate ?? a.rule.learningRate) == (b.baseLearningRate ?? b.rule.learningRate)
      && a.missedSteps == b.missedSteps && a.averaging == b.averaging
      && a.averageHasBegun == b.averageHasBegun && a.statesHaveBegun == b.statesHaveBegun
      && a.storage == b.storage
      && a.groupRules.mapValues { AnyHashable($0) } == b.groupRules.mapValues { AnyHashable($0) }
      && a.lastGroupRules.mapValues { AnyHashable($0) }
        == b.lastGroupRules.mapValues { AnyHashable($0) }
      && a.groupSchedules == b.groupSchedules && a.histories == b.histories
  }
}

extension UpdateRule {
  /// The rule's name, and what its states mean where that is what is special.
  var meaning: String {
    let isPlain = Self().stateMeaning == stateMeaning
    return isPlain ? Self.name : "\(Self.name) (\(stateMeaning))"
  }
}

extension UpdateRule {
  /// The numbers of a history by name in the rule's order; nil for a rule without one, or before
  /// its group's first step. Throws ``DescentError`` for names or numbers that are not the rule's.
  func values(
    ofHistory history: [String: Double], after steps: Int, group: String
  ) throws(DescentError) -> [Double]? {
    let names = self.history.map(\.name)
    if let stranger = history.keys.sorted().first(where: { !names.contains($0) }) {
      throw .unknown(
        kind: "number in the history of group \"\(group)\"", name: stranger, known: names)
    }
    if names.isEmpty || history.isEmpty && steps == 0 { return nil }
    var values: [Double] = []
    for name in names {
      guard let value = history[name] else {
        throw .missingState(
          name: "\(name) of the history of group \(group)", given: history.keys.sorted())
      }
      if !value.isFinite {
        throw .value(
          of: "\(name) of the history of group \"\(group)\"", given: "\(value)",
          allowed: "a finite number")
      }
      values.append(value)
    }
    return values
  }
}
