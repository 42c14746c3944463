public import Logging

extension Optimizer {
  /// The step counts, rule, groups and settings. Waits for enqueued steps.
  ///
  /// Throws ``DescentError/settled`` after ``settle(_:)``, ``DescentError/accumulating(count:)``
  /// while gradients are accumulated, ``DescentError/tornStep(_:)`` after a step that failed, and
  /// whatever the next step would throw for an invalid rule or clipping.
  public var status: OptimizerStatus {
    get throws {
      try collect(wait: true)
      try checkStates()
      if isSettled { throw DescentError.settled }
      try checkNothingAccumulated()
      guard rule.meaning == firstRule.meaning else {
        throw DescentError.ruleChanged(from: firstRule.meaning, to: rule.meaning)
      }
      var layout = layout
      for (name, group) in zip(groups.names, groups.groups) { try layout.setGroup(name, to: group) }
      var status = OptimizerStatus(rule, layout: layout)
      status.lastRule = lastRule
      status.storage = storage
      status.statesHaveBegun = statesHaveBegun
      for (index, name) in groups.names.enumerated() {
        status.groupRules[name] = groups.own[index]
        status.lastGroupRules[name] = groups.lastOwn[index]
        status.groupSchedules[name] = groups.schedules[index]
        let values = zip(groups.rules[index].history, groups.histories[index])
        if !groups.histories[index].isEmpty {
          status.histories[name] = Dictionary(uniqueKeysWithValues: values.map { ($0.name, $1) })
        }
      }
      status.baseLearningRate = baseLearningRate == rule.learningRate ? nil : baseLearningRate
      (status.stepCount, status.skippedStepCount) = (appliedSteps, skippedSteps)
      status.groupStepCounts = Dictionary(uniqueKeysWithValues: zip(groups.names, groups.counts))
      (status.clipping, status.skipsNonFinite) = (clipping, skipsNonFinite)
      (status.lossScale, status.schedule, status.leftOut) = (try lossScale, schedule, leftOut)
      (status.averaging, status.averageHasBegun) = (averaging, averageHasBegun)
      status.missedSteps = missedSteps
      try status.validate()
      return status
    }
  }

  /// The whole state as a value. Waits for enqueued steps. Throws what ``status`` throws.
  public var state: OptimizerState {
    get throws { try OptimizerState(status, values: states()) }
  }

  /// Continues from the state of another optimizer, on any engine: its rule with all
  /// hyper-parameters, states, counts, groups' settings, clipping, loss scale, schedule, average.
  /// What comes then has the bits of a run that never stopped, if the parameters are those that the
  /// state was taken with.
  ///
  /// The layouts must have the same tensors by name and shape. Offsets may differ; in another
  /// order, norms over several tensors round differently. Groups may be cut otherwise where each
  /// one's tensors had the same settings and counts.
  ///
  /// - Throws: ``CheckpointError`` or ``DescentError`` with what does not fit, before anything is
  ///   touched.
  public func load(_ state: OptimizerState) throws {
    let status = state.status
    try check(status.storage)
    for name in status.stateNames {
      guard let values = state.values[name] else {
        throw DescentError.missingState(name: name, given: state.values.keys.sorted())
      }
      let count = status.wholeState(name).count
      guard values.count == count else {
        throw DescentError.count(of: "state \"\(name)\"", given: values.count, expected: count)
      }
      try checkValues(values, ofState: name)
    }
    if let stranger = state.values.keys.first(where: { !status.stateNames.contains($0) }) {
      throw DescentError.unknown(
        kind: "state of \(type(of: status.rule).name)", name: stranger,
        known: status.stateNames)
    }
    let wholes = Dictionary(
      uniqueKeysWithValues: status.stateNames.map { ($0, status.wholeState($0)) })
    try take(status, GroupFit(status, self.layout)) { name, tensor, elements, memory in
      guard let own = status.layout.index(of: tensor.name), let values = state.values[name],
        let start = wholes[name]?.parts[own]?.range.lowerBound
      else { return }
      if memory.start?.type == .float32 {
        _ = memory.floats.update(
          fromContentsOf: values[start + elements.lowerBound..<start + elements.upperBound])
        return
      }
      withDefaultFloatingPoint {
        for index in elements {
          memory.start?.set(values[start + index], at: index - elements.lowerBound)
        }
      }
    }
  }

  /// A new optimizer that continues from a state, with its rule and layout. `logger` becomes
  /// ``logger``, from the choice of the engine on.
  public convenience init(
    _ state: OptimizerState, on choice: EngineChoice = .automatic, logger: Logger? = nil
  ) throws {
    try state.status.validate()
    try self.init(
      state.status.rule, layout: state.status.layout, rules: state.status.groupRules,
      storage: state.status.storage, on: choice, logger: logger)
    // Nobody's settings are replaced.
    self.logger = nil
    try load(state)
    self.logger = logger
  }

  /// Gives numbers of a state of a tensor, counted from its first.
  typealias StateReader = (
    _ state: String, _ tensor: ParameterLayout.Tensor, _ elements: Range<Int>,
    _ memory: ElementBuffer
  ) throws -> Void

  /// Checks that a state fits, and takes it. `prepare` comes before the first state is written.
  func take(
    _ status: OptimizerStatus, _ fit: GroupFit, prepare: () throws -> Void = {},
    _ read: StateReader
  ) throws {
    var status = status
    try status.validate()
    try checkRules(fit, status)
    let names = status.stateNames
    var fit = fit
    if let same = try? fitting(status.rule, firstRule) {
      status.rule = same
      status.lastRule = try status.lastRule.map { try fitting($0, firstRule) }
    } else {
      // What is the rule there is the groups' own here.
      fit.makeRuleOwn(status)
      (status.rule, status.lastRule) = (rule, lastRule)
    }
    let replaced = replacedSettings(status, fit)
    engine.forgetEnqueued()
    tornReason = "a state was only partly loaded"
    try prepare()
    averaging = status.averaging
    try write(names, of: layout.tensors, read)
    begin(at: status.stepCount)
    statesHaveBegun = status.statesHaveBegun
    // Until the last line.
    tornReason = "a state was only partly loaded"
    averageHasBegun = status.averageHasBegun
    skippedSteps = status.skippedStepCount
    rule = status.rule
    baseLearningRate = status.baseLearningRate ?? status.rule.learningRate
    lastRule = status.lastRule
    for (index, group) in fit.groups.enumerated() {
      let own = try group.own.map { try fitting($0, groups.first[index]) }
      try withDefaultFloatingPoint {
        try groups.setOwn(index, to: own, else: status.rule)
        try groups.set(index, to: group.settings, status.rule)
      }
      groups.lastOwn[index] = try group.lastOwn.map { try fitting($0, groups.first[index]) }
      groups.schedules[index] = group.schedule
      groups.begin(
        index, at: group.count,
        history: try groups.first[index].values(
          ofHistory: group.histories, after: group.count, group: groups.names[index]))
    }
    (clipping, skipsNonFinite) = (status.clipping, status.skipsNonFinite)
    (schedule, leftOut) = (status.schedule, status.leftOut)
    beginMissedSteps(status.missedSteps)
    try setLossScale(status.lossScale)
    tornReason = nil
    logReplaced(replaced, by: fit.origin)
  }

  /// A rule of a state as a value of the type of one of this optimizer's, which may be another that
  /// means the same: AdamW is Adam with decoupled decay. Throws if the states are no rule's of this
  /// type.
  func fitting(
    _ rule: any UpdateRule, _ firstRule: any UpdateRule
  ) throws(CheckpointError) -> any UpdateRule {
    var same: any UpdateRule = rule
    if let rule = rule as? AdamW, firstRule is Adam { same = rule.adam }
    if let rule = rule as? Adam, firstRule is AdamW { same = AdamW(rule) ?? rule }
    guard same.meaning == firstRule.meaning else {
      throw .rule(found: rule.meaning, expected: firstRule.meaning)
    }
    return same
  }

  /// How many elements are copied at once.
  static var pieceCount: Int { 1 << 18 }

  /// Writes states of tensors, piece by piece: the rule's, in its order, and perhaps the average
  /// behind them.
  func write(
    _ states: [String], of tensors: [ParameterLayout.Tensor], _ read: StateReader
  ) throws {
    let most = min(Self.pieceCount, tensors.map(\.count).max() ?? 0)
    let memory = try HostVectors([.init(count: most)])
    for state in states {
      for tensor in tensors {
        guard let vector = vector(state, of: tensor) else { continue }
        let count = count(of: vector, tensor)
        // The memory is that of Floats, whatever the elements are.
        let first = ElementPointer(memory.arrays[0].address, elementType(of: vector))
        for start in stride(from: 0, to: count, by: Self.pieceCount) {
          let elements = start..<min(start + Self.pieceCount, count)
          let piece = ElementBuffer(start: first, count: elements.count)
          try read(state, tensor, elements, piece)
          let range = place(elements, of: tensor, in: vector)
          try markingTornSteps { try engine.write(vector, range, from: first) }
        }
      }
    }
  }
}
