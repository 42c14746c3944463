/// Where an optimizer stands, without the numbers in its states: all that a run needs to go on with
/// the same bits, beside parameters and states.
public struct OptimizerStatus: Sendable {
  /// The rule with its hyper-parameters, as the coming step takes it.
  public var rule: any UpdateRule
  /// As ``Optimizer/baseLearningRate``; nil where it is the rule's learning rate.
  public var baseLearningRate: Double?
  /// The rule as the last step took it, for rules that look back; nil before the first step.
  public var lastRule: (any UpdateRule)?
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
  /// Where it stands follows from ``stepCount``. One of a function can be held here, but not in a
  /// file.
  public var schedule: Schedule?
  /// The tensors that steps leave out.
  public var leftOut: Set<String> = []
  /// The tensors that were left out of a step that their group has counted.
  public var missedSteps: Set<String> = []
  /// As ``Optimizer/averaging``.
  public var averaging: ParameterAverage?
  /// Whether there is an average of the parameters among the states, as `average`.
  public var averageHasBegun = false

  /// The states that there are: the rule's, and the average.
  public var stateNames: [String] {
    rule.stateNames + (averageHasBegun ? [Optimizer.averageName] : [])
  }

  /// Before the first step.
  public init(_ rule: any UpdateRule, layout: ParameterLayout) {
    (self.rule, self.layout) = (rule, layout)
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
        throw DescentError.group(name: name, reason: "it has no step count")
      }
      try checkStepCount("the step count of group \"\(name)\"", count)
      let group = layout.group(name) ?? ParameterGroup()
      try group.validate(name)
      try group.applied(to: rule).validate()
    }
    for name in groupStepCounts.keys where layout.group(name) == nil {
      throw DescentError.unknown(kind: "group", name: name, known: layout.groupNames)
    }
    try clipping?.validate()
    try lossScale?.validate()
    try schedule?.validate()
    for name in leftOut.union(missedSteps) { _ = try layout.tensor(name) }
    if let baseLearningRate, !(baseLearningRate.isFinite && baseLearningRate >= 0) {
      throw DescentError.unsupported(
        "the base learning rate is \(baseLearningRate); allowed is finite and at least 0")
    }
    try averaging?.validate()
    if averageHasBegun && averaging == nil {
      throw DescentError.unsupported("an average of the parameters has begun that nobody asks for")
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
      && a.averageHasBegun == b.averageHasBegun
  }
}

extension UpdateRule {
  /// The rule's name, and what its states mean where that is what is special.
  var meaning: String {
    let isPlain = Self().stateMeaning == stateMeaning
    return isPlain ? Self.name : "\(Self.name) (\(stateMeaning))"
  }
}
