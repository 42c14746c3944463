extension Optimizer {
  /// A state of one tensor, `try optimizer.state("m", of: "weight")`, or `"average"`, its part of
  /// the average. Waits for enqueued steps.
  public func state(_ name: String, of tensor: String) throws -> [Float] {
    let tensor = try layout.tensor(tensor)
    let vector = try begunVector(name, of: tensor)
    return try read(vector, 0..<count(of: vector, tensor), of: tensor)
  }

  /// A state of the whole model, in the layout of the parameters; 0 between tensors, and in tensors
  /// whose rule has no such state. A state of another shape than the parameters' comes tensor after
  /// tensor, without gaps; a number of the model once for each tensor. Waits for enqueued steps.
  public func state(_ name: String) throws -> [Float] {
    try checkBegun(name)
    let whole = wholeState(name)
    try checkMemory(whole.count, stride: MemoryLayout<Float>.stride)
    var result = [Float](repeating: 0, count: whole.count)
    try result.withUnsafeMutableBufferPointer { result in
      for (tensor, part) in zip(layout.tensors, whole.parts) {
        guard let range = part?.range, !range.isEmpty, let vector = vector(name, of: tensor),
          let start = result.baseAddress
        else { continue }
        try markingTornSteps {
          try readFloats(
            vector, place(0..<range.count, of: tensor, in: vector),
            into: ElementPointer(start + range.lowerBound))
        }
      }
    }
    return result
  }

  /// The layout of a whole model's state as one array.
  func wholeState(_ name: String) -> WholeState {
    WholeState(layout) { tensor in
      vector(name, of: tensor).map(shape)
    }
  }

  /// Replaces a state of one tensor; of a state of the shape ``StateShape/model`` the number of all
  /// tensors that share it.
  public func setState(_ name: String, of tensor: String, to values: [Float]) throws {
    let tensor = try layout.tensor(tensor)
    let vector = try begunVector(name, of: tensor)
    let count = count(of: vector, tensor)
    guard values.count == count else {
      throw DescentError.count(
        of: "state \"\(name)\" of \"\(tensor.name)\"", given: values.count, expected: count)
    }
    try checkValues(values, ofState: name)
    try checkStates()
    do {
      try values.withUnsafeBufferPointer { try write(vector, of: tensor, $0) }
    } catch {
      tornReason = "a state was only partly replaced"
      throw error
    }
  }

  /// Every state of the whole model by name, and as `"average"` the average of the parameters once
  /// it has begun: with ``stepCount``, the parameters, the counts of groups that were frozen and
  /// the ``lossScale``, if there is one, all that is needed to continue elsewhere.
  ///
  /// Throws ``DescentError/memory(bytes:)`` where there is no memory for a copy of them;
  /// ``DescentError/settled`` after ``settle(_:)``: a run that continues from a settled point with
  /// these states would begin at another point than it left. Throws
  /// ``DescentError/accumulating(count:)`` while gradients are accumulated, which are no state and
  /// would be lost.
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

  func checkNothingAccumulated() throws(DescentError) {
    guard accumulatedCount == 0 else { throw .accumulating(count: accumulatedCount) }
  }

  /// Continues from the state of another optimizer of this rule and layout. ``rule`` is then the
  /// coming step's: where its hyper-parameters follow a schedule, set it first.
  ///
  /// - Parameters:
  ///   - states: what ``states()`` gave: every state, whole. Without an `"average"`,
  ///     ``Optimizer/averaging`` begins anew; an `"average"` without ``Optimizer/averaging`` is an
  ///     unknown state.
  ///   - stepCount: how many steps that optimizer had taken, up to
  ///     ``OptimizerStatus/maximumStepCount``.
  ///   - groupStepCounts: how many of them each group had taken, where a group was frozen for some.
  ///   - histories: by group, the numbers of its rule's ``UpdateRule/history`` after these steps.
  ///     Needed for a rule with a history, unless its group has taken no step.
  public func restore(
    states: [String: [Float]], stepCount: Int, groupStepCounts: [String: Int] = [:],
    histories: [String: [String: Double]] = [:]
  ) throws {
    try checkRule(after: nil)
    for name in groupStepCounts.keys { _ = try groups.index(of: name) }
    for name in states.keys { try checkName(name) }
    for name in stateNames {
      guard let values = states[name] else {
        throw DescentError.missingState(name: name, given: states.keys.sorted())
      }
      let count = wholeState(name).count
      guard values.count == count else {
        throw DescentError.count(
          of: "state \"\(name)\"", given: values.count, expected: count)
      }
      try checkValues(values, ofState: name)
    }
    if let values = states[Self.averageName] { try checkCount("average", values.count) }
    try checkStepCount("stepCount", stepCount)
    for (name, count) in groupStepCounts {
      try checkStepCount("the step count of group \"\(name)\"", count)
    }
    var values: [[Double]?] = []
    for (index, name) in groups.names.enumerated() {
      values.append(
        try groups.first[index].values(
          ofHistory: histories[name] ?? [:], after: groupStepCounts[name] ?? stepCount, group: name)
      )
    }
    for name in histories.keys.sorted() { _ = try groups.index(of: name) }
    engine.forgetEnqueued()
    tornReason = "a state was only partly restored"
    for (name, values) in states where name != Self.averageName || averaging != nil {
      for (tensor, part) in zip(layout.tensors, wholeState(name).parts) {
        guard let vector = vector(name, of: tensor), let range = part?.range else { continue }
        try values.withUnsafeBufferPointer { values in
          try write(vector, of: tensor, UnsafeBufferPointer(rebasing: values[range]))
        }
      }
    }
    begin(at: stepCount)
    // Before the first step they begin with that, whatever was given.
    if stepCount > 0 { statesHaveBegun = true }
    averageHasBegun = states[Self.averageName] != nil
    for (index, name) in groups.names.enumerated() {
      groups.begin(index, at: groupStepCounts[name] ?? stepCount, history: values[index])
    }
  }

  /// Forgets all steps: states and step count as at the beginning.
  public func reset() throws {
    try checkRule(after: nil)
    engine.forgetEnqueued()
    tornReason = "a state was only partly reset"
    let programs = groups.programs
    for (index, program) in programs.list.enumerated() {
      // Piece by piece: there may be no memory for another vector.
      let length = max(1, min(Self.pieceCount, programs.states[index].count))
      let piece = try HostVectors([.init(count: length)])
      for (place, state) in program.states.enumerated() {
        // No pass changes a count.
        if case .count = state.start { continue }
        let count = programs.count(ofState: place, in: index)
        withDefaultFloatingPoint { piece.arrays[0].fill(with: state.initialValue, count: length) }
        for start in stride(from: 0, to: count, by: length) {
          let range = start..<min(start + length, count)
          try markingTornSteps {
            try engine.write(.state(program: index, index: place), range, from: piece.arrays[0])
          }
        }
      }
    }
    if let companion = storage.companion {
      let piece = try HostVectors([.init(type: companion.type, count: Self.pieceCount)])
      for start in stride(from: 0, to: layout.count, by: Self.pieceCount) {
        let range = start..<min(start + Self.pieceCount, layout.count)
        try markingTornSteps { try engine.write(.companion, range, from: piece.arrays[0]) }
      }
    }
    begin(at: 0)
  }

  func begin(at count: Int) {
    appliedSteps = count
    skippedSteps = 0
    for index in groups.counts.indices { groups.begin(index, at: count) }
    statesHaveBegun = !groups.programs.copiesParameters
    tornReason = nil
    isSettled = false
    lastRule = nil
    for index in groups.lastOwn.indices { groups.lastOwn[index] = nil }
    lastStepLooked = false
    accumulatedCount = 0
    averageHasBegun = false
    beginMissedSteps()
  }

  /// Throws unless a vector of that name can be read and replaced.
  private func checkBegun(_ name: String) throws(DescentError) {
    if name == Self.averageName && averaging == nil { throw .noAverage(isKept: false) }
    try checkName(name)
    if name == Self.averageName && !averageHasBegun { throw .noAverage(isKept: true) }
  }

  /// Throws unless some tensor has a state of that name, or it is the average that is kept.
  func checkName(_ name: String) throws(DescentError) {
    if name == Self.averageName && averaging != nil || stateNames.contains(name) { return }
    let rules = groups.programs.list.count > 1 ? "the groups' rules" : type(of: firstRule).name
    throw .unknown(kind: "state of \(rules)", name: name, known: stateNames)
  }

  private func begunVector(
    _ name: String, of tensor: ParameterLayout.Tensor
  ) throws -> StateVector {
    if name == Self.averageName { try checkBegun(name) }
    guard let vector = vector(name, of: tensor) else {
      let rule = groups.first[try groups.index(of: tensor.group)]
      throw DescentError.unknown(
        kind: "state of \(type(of: rule).name)", name: name, known: rule.stateNames)
    }
    return vector
  }

  /// The vector that a tensor has under a name: a state of its rule, or the average; nil if there
  /// is none.
  func vector(_ name: String, of tensor: ParameterLayout.Tensor) -> StateVector? {
    if name == Self.averageName && averaging != nil { return .average }
    if name == storage.companion?.name { return .companion }
    let program = groups.programs.program(of: tensor)
    guard let index = groups.programs.index(of: name, in: program),
      groups.programs.list[program].states[index].isSaved
    else { return nil }
    return .state(program: program, index: index)
  }

  func shape(of vector: StateVector) -> StateShape {
    guard case .state(let program, let index) = vector else { return .parameter }
    return groups.programs.list[program].states[index].shape
  }

  /// How many numbers a vector has for a tensor.
  func count(of vector: StateVector, _ tensor: ParameterLayout.Tensor) -> Int {
    shape(of: vector).count(of: tensor.shape)
  }

  /// The range in a vector of numbers of a tensor, counted from its first.
  func place(
    _ range: Range<Int>, of tensor: ParameterLayout.Tensor, in vector: StateVector
  ) -> Range<Int> {
    func moved(_ start: Int) -> Range<Int> {
      start + range.lowerBound..<start + range.upperBound
    }
    let programs = groups.programs
    guard case .state(let program, let index) = vector else {
      return moved(tensor.range.lowerBound)
    }
    let shape = programs.list[program].states[index].shape
    if let map = programs.map(shape, of: program), let own = layout.index(of: tensor.name) {
      return moved(map[own].lowerBound)
    }
    return programs.states[program].place(of: moved(tensor.range.lowerBound))
  }

  /// - Parameter range: numbers of the tensor, counted from its first.
  func read(
    _ vector: StateVector, _ range: Range<Int>, of tensor: ParameterLayout.Tensor
  ) throws -> [Float] {
    // The library would write its one empty array's count, 0 over 0, and the thread sanitizer see a
    // race.
    if range.isEmpty { return [] }
    if range.count > Self.pieceCount {
      try checkMemory(range.count, stride: MemoryLayout<Float>.stride)
    }
    return try markingTornSteps {
      try [Float](unsafeUninitializedCapacity: range.count) { buffer, initialized in
        if let start = buffer.baseAddress {
          try readFloats(
            vector, place(range, of: tensor, in: vector), into: ElementPointer(start))
        }
        initialized = range.count
      }
    }
  }

  /// - Parameter values: all of the tensor's.
  func write(
    _ vector: StateVector, of tensor: ParameterLayout.Tensor, _ values: UnsafeBufferPointer<Float>
  ) throws {
    guard let start = values.baseAddress, !values.isEmpty else { return }
    // An engine only reads it.
    let source = ElementPointer(UnsafeMutablePointer(mutating: start))
    try markingTornSteps {
      try writeFloats(vector, place(0..<values.count, of: tensor, in: vector), from: source)
    }
  }

  /// What the elements of a vector are in memory.
  func elementType(of vector: StateVector) -> ElementType {
    vector == .companion ? storage.companion?.type ?? .float32 : .float32
  }

  /// Copies elements of a vector of any type to memory of Floats.
  private func readFloats(
    _ vector: StateVector, _ range: Range<Int>, into floats: ElementPointer
  ) throws {
    let type = elementType(of: vector)
    if type == .float32 { return try engine.read(vector, range, into: floats) }
    let memory = try HostVectors([.init(type: type, count: range.count)])
    try engine.read(vector, range, into: memory.arrays[0])
    memory.arrays[0].copyFloats(to: floats.floats, count: range.count)
  }

  /// Copies Floats that are numbers of a vector's type to it.
  private func writeFloats(
    _ vector: StateVector, _ range: Range<Int>, from floats: ElementPointer
  ) throws {
    let type = elementType(of: vector)
    if type == .float32 { return try engine.write(vector, range, from: floats) }
    let memory = try HostVectors([.init(type: type, count: range.count)])
    for index in 0..<range.count { memory.arrays[0].set(floats.floats[index], at: index) }
    try engine.write(vector, range, from: memory.arrays[0])
  }

  /// Throws ``DescentError/value(of:given:allowed:)`` unless these are numbers of a state's type.
  func checkValues(_ values: [Float], ofState name: String) throws(DescentError) {
    guard let companion = storage.companion, companion.name == name, companion.type == .remainder
    else { return }
    for value in values where Int16(exactly: value) == nil {
      throw .value(
        of: "state \"\(name)\"", given: "\(value)",
        allowed: "whole numbers from \(Int16.min) to \(Int16.max)")
    }
  }
}
