extension Optimizer {
  /// A state of one tensor, `try optimizer.state("m", of: "weight")`, or `"average"`, its part of the
  /// average. Waits for enqueued steps.
  public func state(_ name: String, of tensor: String) throws -> [Float] {
    try read(begunIndex(name), layout.tensor(tensor).range)
  }

  /// A state of the whole model, as the parameters lie. Waits for enqueued steps.
  public func state(_ name: String) throws -> [Float] {
    try read(begunIndex(name), 0..<layout.count)
  }

  /// Replaces a state of one tensor.
  public func setState(_ name: String, of tensor: String, to values: [Float]) throws {
    let tensor = try layout.tensor(tensor)
    guard values.count == tensor.count else {
      throw DescentError.count(
        of: "state \"\(name)\" of \"\(tensor.name)\"", given: values.count, expected: tensor.count)
    }
    let index = try begunIndex(name)
    try checkStates()
    do {
      try write(index, tensor.range, values)
    } catch {
      tornReason = "a state was only partly replaced"
      throw error
    }
  }

  /// Every state of the whole model by name, and as `"average"` the average of the parameters once it has
  /// begun: with ``stepCount``, the parameters, the counts of groups that were frozen and the
  /// ``lossScale``, if there is one, all that it takes to go on elsewhere.
  ///
  /// Throws ``DescentError/memory(bytes:)`` where there is no memory for a copy of them;
  /// ``DescentError/settled`` after ``settle(_:)-([Float])``: a run that goes on from a settled point
  /// with these states would take the look-ahead twice. Throws ``DescentError/unsupported(_:)`` while
  /// gradients are accumulated, which are no state and would be lost.
  public func states() throws -> [String: [Float]] {
    if isSettled { throw DescentError.settled }
    try checkStates()
    try checkNothingAccumulated()
    let vectors = stateNames.count + (averageHasBegun ? 1 : 0)
    try checkMemory(layout.count, stride: vectors * MemoryLayout<Float>.stride)
    var result: [String: [Float]] = [:]
    for name in stateNames { result[name] = try state(name) }
    if averageHasBegun { result[Self.averageName] = try average() }
    return result
  }

  func checkNothingAccumulated() throws {
    guard accumulatedCount > 0 else { return }
    throw DescentError.unsupported(
      "gradients are accumulated (\(accumulatedCount)), which are no part of the state; take the step "
        + "that they are for, or call dropAccumulated(), before the state")
  }

  /// Takes up where another optimizer of this rule and layout stopped. ``rule`` is then the coming
  /// step's: where its hyper-parameters follow a schedule, set it first.
  ///
  /// - Parameters:
  ///   - states: what ``states()`` gave: every state, whole. Without an `"average"`, one that is asked for
  ///     begins anew; one that is not asked for is an unknown state.
  ///   - stepCount: how many steps that optimizer had taken, up to
  ///     ``OptimizerStatus/maximumStepCount``.
  ///   - groupStepCounts: how many of them each group had taken, where a group was frozen for some.
  public func restore(
    states: [String: [Float]], stepCount: Int, groupStepCounts: [String: Int] = [:]
  ) throws {
    try checkRule(after: nil)
    for name in groupStepCounts.keys { _ = try groups.index(of: name) }
    for name in states.keys { _ = try stateIndex(name) }
    for name in stateNames {
      guard let values = states[name] else {
        throw DescentError.missingState(name: name, given: states.keys.sorted())
      }
      try checkCount("state \"\(name)\"", values.count)
    }
    if let values = states[Self.averageName] { try checkCount("average", values.count) }
    try checkStepCount("stepCount", stepCount)
    for (name, count) in groupStepCounts {
      try checkStepCount("the step count of group \"\(name)\"", count)
    }
    engine.forgetEnqueued()
    tornReason = "a state was only partly restored"
    for (index, name) in stateNames.enumerated() {
      if let values = states[name] { try write(index, 0..<layout.count, values) }
    }
    if let values = states[Self.averageName] {
      try write(stateNames.count, 0..<layout.count, values)
    }
    begin(at: stepCount)
    averageHasBegun = states[Self.averageName] != nil
    for (name, count) in groupStepCounts { groups.counts[try groups.index(of: name)] = count }
  }

  /// Forgets all steps: states and step count as at the beginning.
  public func reset() throws {
    try checkRule(after: nil)
    // Piece by piece: there may be no memory for another vector.
    let count = max(1, min(Self.pieceCount, layout.count))
    let piece = try HostVectors([0], count: count)
    engine.forgetEnqueued()
    tornReason = "a state was only partly reset"
    for (index, name) in stateNames.enumerated() {
      let value = withDefaultFloatingPoint { Float(rule.initialValue(ofState: name)) }
      piece.arrays[0].update(repeating: value, count: count)
      for start in stride(from: 0, to: layout.count, by: count) {
        let range = start..<min(start + count, layout.count)
        try markingTornSteps { try engine.writeState(index, range, from: piece.arrays[0]) }
      }
    }
    begin(at: 0)
  }

  func begin(at count: Int) {
    appliedSteps = count
    skippedSteps = 0
    for index in groups.counts.indices { groups.counts[index] = count }
    tornReason = nil
    isSettled = false
    lastRule = nil
    lastStepLooked = false
    accumulatedCount = 0
    averageHasBegun = false
    beginMissedSteps()
  }

  /// As ``stateIndex(_:)``, of what can be read and replaced.
  private func begunIndex(_ name: String) throws -> Int {
    if name == Self.averageName && averaging == nil {
      throw DescentError.unsupported("no average is kept; set averaging before a step")
    }
    let index = try stateIndex(name)
    if index == stateNames.count && !averageHasBegun {
      throw DescentError.unsupported("the average begins with the first step; there has been none")
    }
    return index
  }

  /// The average of the parameters stands behind the rule's states.
  func stateIndex(_ name: String) throws -> Int {
    if name == Self.averageName && averaging != nil { return stateNames.count }
    guard let index = stateNames.firstIndex(of: name) else {
      throw DescentError.unknown(
        kind: "state of \(type(of: firstRule).name)", name: name, known: stateNames)
    }
    return index
  }

  func read(_ index: Int, _ range: Range<Int>) throws -> [Float] {
    // The library would write its one empty array's count, 0 over 0, and the thread sanitizer see a race.
    if range.isEmpty { return [] }
    if range.count > Self.pieceCount {
      try checkMemory(range.count, stride: MemoryLayout<Float>.stride)
    }
    return try markingTornSteps {
      try [Float](unsafeUninitializedCapacity: range.count) { buffer, initialized in
        if let start = buffer.baseAddress { try engine.readState(index, range, into: start) }
        initialized = range.count
      }
    }
  }

  func write(_ index: Int, _ range: Range<Int>, _ values: [Float]) throws {
    try markingTornSteps {
      try values.withUnsafeBufferPointer { buffer in
        if let start = buffer.baseAddress { try engine.writeState(index, range, from: start) }
      }
    }
  }
}
