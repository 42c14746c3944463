extension Optimizer {
  /// The settings of a group of the layout. Throws ``DescentError`` if there is none of that name.
  public func group(_ name: String) throws -> ParameterGroup {
    groups.groups[try groups.index(of: name)]
  }

  /// Replaces a group's settings from the next step on: its learning rate's factor, its weight
  /// decay, or whether it is frozen. Waits for enqueued steps.
  ///
  /// Throws ``DescentError``, and changes nothing, if there is no group of that name or a number is
  /// out of range.
  public func setGroup(_ name: String, to group: ParameterGroup) throws {
    let index = try groups.index(of: name)
    // A step in flight counts for the groups as they were when it was enqueued.
    try collect(wait: true)
    try withDefaultFloatingPoint { try groups.set(index, to: group, rule) }
    controlIsChecked = false
  }

  /// The rule that a group follows: its own, or else ``rule``. The group's factor and weight decay
  /// are not applied to it. Throws ``DescentError`` if there is no group of that name.
  public func groupRule(_ name: String) throws -> any UpdateRule {
    groups.own[try groups.index(of: name)] ?? rule
  }

  /// Gives a group a rule of its own from the next step on, or has it follow ``rule`` with nil. Its
  /// states go on, so the new rule must be of the type of the one before and its states must mean
  /// the same. Waits for enqueued steps.
  ///
  /// A group with a rule of its own follows that rule's learning rate or ``groupSchedule(_:)``;
  /// ``schedule`` is for the groups that follow ``rule``. In either case
  /// ``ParameterGroup/learningRateFactor`` multiplies the rate, and
  /// ``ParameterGroup/weightDecay`` takes the place of the rule's λ.
  ///
  /// Throws ``DescentError``, and changes nothing, if there is no group of that name, the rule is
  /// not valid, or it cannot go on with the states.
  public func setGroupRule(_ name: String, to rule: (any UpdateRule)?) throws {
    let index = try groups.index(of: name)
    try collect(wait: true)
    try withDefaultFloatingPoint { try groups.setOwn(index, to: rule, else: self.rule) }
  }

  /// The schedule that a group has for itself; nil where there is none.
  public func groupSchedule(_ name: String) throws -> Schedule? {
    groups.schedules[try groups.index(of: name)]
  }

  /// Sets what gives a group its learning rate, before the group's factor: the step after n applied
  /// ones has `schedule.learningRate(after: n)`. nil leaves it to ``schedule`` or, for a group with
  /// a rule of its own, to that rule. Waits for enqueued steps.
  ///
  /// Throws ``DescentError``, and changes nothing, if there is no group of that name or the
  /// schedule is not valid.
  public func setGroupSchedule(_ name: String, to schedule: Schedule?) throws {
    let index = try groups.index(of: name)
    try schedule?.validate()
    try collect(wait: true)
    groups.schedules[index] = schedule
  }

  /// How many steps a group has taken: fewer than ``stepCount`` if it was frozen for some.
  public func stepCount(ofGroup name: String) throws -> Int {
    try collect(wait: true)
    return groups.counts[try groups.index(of: name)]
  }
}
