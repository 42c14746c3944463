/// The rule as every group of a layout takes it, and how many steps each group has taken.
///
/// A class, so that an optimizer counts its steps without a copy of anything.
final class GroupRules {
  let names: [String]
  private(set) var groups: [ParameterGroup]
  private(set) var rules: [any UpdateRule]
  /// Steps taken.
  var counts: [Int]

  /// Throws ``DescentError`` if a group's settings and the rule do not go together.
  init(_ rule: any UpdateRule, _ layout: ParameterLayout) throws {
    names = layout.groupNames
    groups = names.map { layout.group($0) ?? ParameterGroup() }
    rules = groups.map { $0.applied(to: rule) }
    counts = Array(repeating: 0, count: names.count)
    for rule in rules { try rule.validate() }
  }

  func index(of name: String) throws -> Int {
    guard let index = names.firstIndex(of: name) else {
      throw DescentError.unknown(kind: "group", name: name, known: names)
    }
    return index
  }

  /// Replaces a group's settings, once they and what they make of `rule` are found valid.
  func set(_ index: Int, to group: ParameterGroup, _ rule: any UpdateRule) throws {
    try group.validate(names[index])
    let applied = group.applied(to: rule)
    try applied.validate()
    groups[index] = group
    rules[index] = applied
  }

  /// Takes another rule, or throws and keeps the one before.
  func follow(_ rule: any UpdateRule) throws {
    if groups.allSatisfy({ $0 == ParameterGroup() }) {
      for index in rules.indices { rules[index] = rule }
      return
    }
    let applied = groups.map { $0.applied(to: rule) }
    for rule in applied { try rule.validate() }
    rules = applied
  }

  /// Counts steps of every group that is not frozen.
  func count(_ steps: Int) {
    for index in counts.indices where !groups[index].isFrozen { counts[index] += steps }
  }
}

/// How the average of the parameters follows a step.
struct AverageStep {
  /// 1 − d.
  let weight: Float
  /// Whether it is first set to the parameters as they are before the step.
  let begins: Bool
}

/// What a step has besides the vectors.
struct StepInput {
  let groups: GroupRules
  let gradientScale: Double
  /// What gives the learning rate; nil leaves it to the rules.
  var schedule: Schedule?
  /// Steps that are known to be taken.
  var appliedSteps = 0
  var control = StepControl()
  /// Whether the gradients are 0 afterwards.
  var zeroes = false
  /// Whether the sum of earlier gradients is part of this step's.
  var accumulates = false
  var average: AverageStep?

  /// Whether a stretch's group stays as it is: it is frozen, or stands for what is left out.
  func isIdle(_ group: Int) -> Bool {
    group == groups.groups.count || groups.groups[group].isFrozen
  }

  /// The learning rate that a group's rule has in the coming step, or in the step that comes `later` steps
  /// after that; nil where it is the rule's own.
  func learningRate(ofGroup group: Int, later: Int = 0) -> Double? {
    guard let schedule else { return nil }
    return schedule.learningRate(after: appliedSteps + later)
      * groups.groups[group].learningRateFactor
  }

  /// Writes a ``GroupRow`` for each group's coming step, one group after another and as a frozen one
  /// what is left out; or for the step that comes `later` steps after that.
  func write(to memory: UnsafeMutableRawBufferPointer, stride: Int, later: Int = 0) {
    for (index, rule) in groups.rules.enumerated() {
      let start = index * stride
      rule.withScalars(
        at: groups.counts[index] + 1 + later,
        learningRate: learningRate(ofGroup: index, later: later), gradientScale: gradientScale,
        limit: control.clipping(ofGroup: index)?.valueLimit ?? .infinity
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

  /// Calls `body` with the preparation and the rule's scalars as kernels take them. The learning rate is
  /// an argument, since a changed copy of an `any UpdateRule` would be on the heap.
  func withScalars<Result>(
    at step: Int, learningRate: Double? = nil, gradientScale: Double, limit: Double = .infinity,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    let rule = with(learningRate: learningRate)
    let preparation = Preparation<Float>(rule, gradientScale: gradientScale, limit: limit)
    let scalars = rule.scalars(at: step)
    return try withUnsafeBytes(of: preparation) { preparation in
      try withUnsafeBytes(of: scalars) { scalars in try body(preparation, scalars) }
    }
  }
}
