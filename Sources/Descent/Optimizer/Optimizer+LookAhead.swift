extension Optimizer {
  /// Whether the parameters that steps update are not the point to evaluate and to publish, in any
  /// group. They are not for ``Nesterov``, ``ScheduleFreeSGD`` and ``ScheduleFreeAdamW``.
  ///
  /// A trainer need not ask: ``writeIterate(from:into:)`` and ``settle(_:)`` are right for every
  /// rule.
  public var hasEvaluationPoint: Bool {
    let rules = groups.rules.isEmpty ? [rule] : groups.rules
    return rules.contains { $0.evaluationPoint(afterStep: false) != nil }
  }

  /// Writes the point to evaluate and to publish into `iterate`, from the parameters that steps
  /// update: for ``Nesterov`` the iterate W = φ + γV, for ``ScheduleFreeSGD`` and
  /// ``ScheduleFreeAdamW`` the average x = y + (1 − β)/β · (y − z), for other rules the parameters
  /// themselves.
  ///
  /// The parameters stay as they are, so training continues with the bits that it would have had.
  /// To continue later, save the parameters, not `iterate`. Parameters on a device are read back
  /// first. Elements of `iterate` between the layout's tensors stay as they are. The two vectors
  /// may not overlap.
  ///
  /// - Throws: ``DescentError`` for vectors of another length, and what reading a state throws.
  public func writeIterate(
    from parameters: borrowing some Vector & ~Copyable & ~Escapable,
    into iterate: inout some MutableVector & ~Copyable & ~Escapable
  ) throws {
    try parameters.withVectorMemory(for: use(.parameters)) { parameters in
      try iterate.withMutableVectorMemory(for: use(.iterate)) { iterate in
        try checkCount("parameters", parameters.count)
        try checkCount("iterate", iterate.count)
        let from = try parameters.elements(of: "parameters", as: storage.parameterType)
        let to = try iterate.floats(of: "iterate")
        var apart = PieceCheck()
        try apart.check(to, from, zeroes: false)
        try withFloats(of: from, writes: false) { start in
          let ahead = try lookAhead(start)
          HostVector(to).forEachPart(of: layout.occupied) { range, iterate in
            start.forEachPart(of: range) { part, offset in
              if let first = part.start { (iterate + offset).copy(from: first, count: part.count) }
            }
          }
          add(ahead, to: HostVector(to))
        }
      }
    }
  }

  /// Replaces the parameters by the point that ``writeIterate(from:into:)`` gives, at the end of
  /// training. Where that is another point, later steps throw ``DescentError/settled`` until
  /// ``reset()`` or ``restore(states:stepCount:groupStepCounts:histories:)``; otherwise nothing
  /// changes.
  ///
  /// Elements between the layout's tensors stay as they are. Throws as ``writeIterate(from:into:)``
  /// does.
  public func settle(_ parameters: inout some MutableVector & ~Copyable & ~Escapable) throws {
    try parameters.withMutableVectorMemory(for: use(.parameters)) { parameters in
      try checkCount("parameters", parameters.count)
      let pieces = try parameters.elements(of: "parameters", as: storage.parameterType)
      try withFloats(of: pieces, writes: hasEvaluationPoint && !isSettled) {
        add(try lookAhead($0), to: $0)
      }
    }
    isSettled = hasEvaluationPoint
  }

  /// Calls `body` with the parameters as Floats, which become theirs if it writes them.
  private func withFloats(
    of parameters: HostPieces, writes: Bool, _ body: (HostVector) throws -> Void
  ) throws {
    let vector = HostVector(parameters)
    guard let companion = storage.companion else { return try body(vector) }
    let count = layout.count
    let memory = try HostVectors([.init(count: count), .init(type: companion.type, count: count)])
    try withExtendedLifetime(memory) {
      let (floats, companions) = (memory.arrays[0].floats, memory.arrays[1])
      let isCopy = companion.copiesParameters && !statesHaveBegun
      if !isCopy {
        try markingTornSteps { try engine.read(.companion, 0..<count, into: companions) }
      }
      vector.forEachPart(of: layout.occupied) { range, part in
        let own = floats + range.lowerBound
        if isCopy { return part.copyFloats(to: own, count: range.count) }
        StoredParameters(parameters: part, companion: companions + range.lowerBound).copyFloats(
          to: own, count: range.count)
      }
      let whole = UnsafeMutableBufferPointer(start: floats, count: count)
      try withUnsafePointer(to: whole) {
        try body(HostVector(HostPieces(UnsafeBufferPointer(start: $0, count: 1), of: .float32)))
      }
      guard writes else { return }
      // The engine's part may fail, so it comes first; the caller's follows from the same Floats.
      let own = try HostVectors([.init(type: parameters.type, count: count)])
      withExtendedLifetime(own) {
        withDefaultFloatingPoint {
          StoredParameters(parameters: own.arrays[0], companion: companions).store(
            floats, count: count)
        }
      }
      try markingTornSteps { try engine.write(.companion, 0..<count, from: companions) }
      withExtendedLifetime(own) {
        vector.forEachPart(of: layout.occupied) { range, part in
          part.copy(from: own.arrays[0] + range.lowerBound, count: range.count)
        }
      }
    }
  }

  /// What the parameters are short of the point to evaluate, for each tensor where that is another
  /// one; nothing once settled.
  private func lookAhead(
    _ parameters: HostVector
  ) throws -> [(range: Range<Int>, values: [Float])] {
    try checkStates()
    if isSettled || !hasEvaluationPoint { return [] }
    let points = groups.rules.indices.map(evaluationPoint)
    let places = Dictionary(uniqueKeysWithValues: zip(groups.names, points))
    return try layout.tensors.compactMap { tensor in
      guard let point = places[tensor.group] ?? nil else { return nil }
      let state = try begunState(point.state, of: tensor, parameters)
      let own = point.ofDistance ? copy(parameters, of: tensor) : []
      return withDefaultFloatingPoint {
        let factor = Float(point.factor)
        let values = point.ofDistance ? zip(own, state).map { $0 - $1 } : state
        return (tensor.range, values.map { factor * $0 })
      }
    }
  }

  /// A state of a tensor; the parameters where it begins as a copy of them with the first step.
  private func begunState(
    _ name: String, of tensor: ParameterLayout.Tensor, _ parameters: HostVector
  ) throws -> [Float] {
    let rule = groups.first[try groups.index(of: tensor.group)]
    guard !statesHaveBegun,
      rule.states.contains(where: { $0.name == name && $0.start == .parameters })
    else { return try state(name, of: tensor.name) }
    return copy(parameters, of: tensor)
  }

  private func copy(_ parameters: HostVector, of tensor: ParameterLayout.Tensor) -> [Float] {
    var values = [Float](repeating: 0, count: tensor.count)
    values.withUnsafeMutableBufferPointer {
      parameters.copy(from: tensor.range.lowerBound, to: ElementBuffer($0))
    }
    return values
  }

  private func add(_ ahead: [(range: Range<Int>, values: [Float])], to parameters: HostVector) {
    withDefaultFloatingPoint {
      for (range, values) in ahead {
        parameters.forEachPart(of: range) { part, offset in
          let part = part.floats
          for i in part.indices { part[i] += values[offset + i] }
        }
      }
    }
  }

  /// Where to evaluate a group's parameters as they are.
  private func evaluationPoint(ofGroup index: Int) -> EvaluationPoint? {
    // Before a first step the rule is the coming step's.
    let last = groups.own[index] == nil ? lastRule : groups.lastOwn[index]
    return last?.evaluationPoint(afterStep: true)
      ?? groups.rules[index].evaluationPoint(afterStep: false)
  }
}
