public import Logging

extension Optimizer {
  /// Writes the whole state and the parameters to a safetensors file, for any engine to go on from.
  /// ``Checkpoint`` says what is in it.
  ///
  /// The file is replaced atomically: a temporary file in the same folder is written, synced and
  /// renamed, and the folder is synced. A crash leaves the previous file. Whatever had the name is
  /// replaced: a file, or an index `NAME.safetensors.index.json` and the shards that it names, also
  /// another program's. States are written a piece at a time, from a device through its queue,
  /// without a second copy of them in memory. Waits for enqueued steps.
  ///
  /// - Parameters:
  ///   - path: the path of the file; if the file is cut, of its index, with the shards in the same
  ///     folder.
  ///   - parameters: `layout.count` elements, after the step that was last taken: an array, a span,
  ///     buffers, or a model that passes the tensors of ``layout``. Those on a device are read back
  ///     first.
  ///   - naming: whose names states have; PyTorch's are for a script of Examples/pytorch to read.
  ///   - metadata: any other entries that the trainer needs to continue, under keys of its own;
  ///     those that begin with `optimizer.`, `pytorch.` or as `SafetensorsWriter` says are taken.
  ///   - shardSize: a file of more bytes is cut into several, with an index.
  /// - Throws: ``DescentError`` for what ``status`` throws; `SafetensorsError` if the file cannot
  ///   be written, or two tensors would have one name; ``DescentError/layout(name:reason:)`` with
  ///   the first tensor of a model that is not the layout's.
  public func save(
    to path: String, parameters: borrowing some Vector & ~Copyable & ~Escapable,
    naming: StateNaming = .descent, metadata: [String: String] = [:], shardSize: Int = .max
  ) throws {
    try parameters.withVectorMemory(for: use(.parameters)) {
      let parameters = try $0.elements(of: "parameters", as: storage.parameterType)
      try write(path, HostVector(parameters), naming, metadata, shardSize)
    }
  }

  /// Writes the whole state without the parameters: `try optimizer.save(to: "run.safetensors")`.
  /// Otherwise as ``save(to:parameters:naming:metadata:shardSize:)``.
  public func save(
    to path: String, naming: StateNaming = .descent, metadata: [String: String] = [:],
    shardSize: Int = .max
  ) throws {
    try write(path, nil, naming, metadata, shardSize)
  }

  private func write(
    _ path: String, _ parameters: HostVector?, _ naming: StateNaming,
    _ metadata: [String: String], _ shardSize: Int
  ) throws {
    if let parameters { try checkCount("parameters", parameters.count) }
    let status = try status
    let writer = try CheckpointWriter(
      path, status: status, naming: naming, hasParameters: parameters != nil, metadata: metadata,
      shardSize: shardSize)
    try writer.write { tensor, elements, memory in
      guard let parameters else { return }
      let start = tensor.range.lowerBound
      parameters.forEachPart(
        of: start + elements.lowerBound..<start + elements.upperBound
      ) { part, offset in
        memory[offset..<offset + part.count].copy(from: part)
      }
    } states: { state, tensor, elements, memory in
      guard let vector = vector(state, of: tensor), let destination = memory.start else {
        return
      }
      let range = place(elements, of: tensor, in: vector)
      try markingTornSteps { try engine.read(vector, range, into: destination) }
    }
  }

  /// Continues from the state of the optimizer that wrote the file, on any engine: as ``load(_:)``,
  /// and reads the parameters.
  ///
  /// ```swift
  /// try optimizer.load(from: "run.safetensors", parameters: &parameters)
  /// ```
  ///
  /// The whole file is read once to check it, checksums, names, shapes, rule and counts, before
  /// anything is touched, and again to load it. A PyTorch optimizer's state has no clipping,
  /// skipping, schedule, average, frozen groups or bounds of the loss scale; the optimizer keeps
  /// its own settings of these, its groups' too. If it fails after that, because the device does,
  /// the optimizer refuses to go on until a state is loaded.
  ///
  /// - Parameters:
  ///   - source: a path, or a ``Checkpoint`` that was opened.
  ///   - parameters: `layout.count` elements: an array, a model that passes the tensors of
  ///     ``layout`` (which has them back also after an error), or a variable that holds a buffer or
  ///     an array of buffers; no two of these may overlap.
  /// - Throws: `SafetensorsError` for a file that is not whole or was altered,
  ///   ``CheckpointError`` or ``DescentError`` for one that does not fit.
  public func load(
    from source: some CheckpointSource,
    parameters: inout some MutableVector & ~Copyable & ~Escapable
  ) throws {
    let checkpoint = try source.openedCheckpoint()
    try parameters.withMutableVectorMemory(for: use(.parameters)) {
      try load(
        checkpoint, HostVector($0.elements(of: "parameters", as: storage.parameterType)))
    }
  }

  /// The same without parameters: `try optimizer.load(from: "run.safetensors")`.
  public func load(from source: some CheckpointSource) throws {
    try load(source.openedCheckpoint(), nil)
  }

  private func load(_ checkpoint: Checkpoint, _ parameters: HostVector?) throws {
    guard var status = checkpoint.status else {
      throw CheckpointError.noOptimizer(file: checkpoint.path)
    }
    if checkpoint.naming == .pyTorch { try keepWhatPyTorchLacks(&status) }
    try check(status.storage)
    var fit = try GroupFit(status, layout, origin: checkpoint.path)
    if let given = checkpoint.pyTorch {
      try withDefaultFloatingPoint {
        try fit.take(
          given, &status, layout,
          own: PyTorchRates.Own(
            base: baseLearningRate, weightDecay: rule.weightDecay, groups: groups.groups,
            hasSchedule: schedule != nil))
      }
      fit.keepFollowers(groups.own, groups.schedules, &status)
    }
    try checkRules(fit, status)
    if let parameters { try check(parameters.count, checkpoint, layout.tensors) }
    try checkpoint.verify()
    try take(status, fit) {
      guard let parameters else { return }
      for tensor in layout.tensors { try checkpoint.readParameters(of: tensor, into: parameters) }
    } _: {
      try checkpoint.read($0, $1, $2, $3)
    }
  }

  /// Keeps the settings that PyTorch's optimizers do not have in their state.
  private func keepWhatPyTorchLacks(_ status: inout OptimizerStatus) throws {
    (status.clipping, status.skipsNonFinite) = (clipping, skipsNonFinite)
    (status.schedule, status.leftOut) = (schedule, leftOut)
    if let own = try lossScale {
      var scale = status.lossScale ?? own
      // GradScaler has no bounds, and may be outside of these.
      scale.minimumScale = min(own.minimumScale, scale.scale)
      scale.maximumScale = max(own.maximumScale, scale.scale)
      status.lossScale = scale
    }
    status.averaging = averaging
  }

  /// A new optimizer that continues from a checkpoint, with its rule and layout. Throws
  /// `SafetensorsError.memory` where there is no memory for as much as the layout says. `logger`
  /// becomes ``logger``, from the choice of the engine on.
  public convenience init(
    _ checkpoint: Checkpoint, on choice: EngineChoice = .automatic, logger: Logger? = nil
  ) throws {
    let status = try checkpoint.roomyStatus()
    try self.init(
      status.rule, layout: status.layout, rules: status.groupRules, storage: status.storage,
      on: choice, logger: logger)
    // Nobody's settings are replaced.
    self.logger = nil
    try load(from: checkpoint)
    self.logger = logger
  }

  private func check(
    _ count: Int, _ checkpoint: Checkpoint, _ tensors: [ParameterLayout.Tensor]
  ) throws {
    try checkCount("parameters", count)
    for tensor in tensors {
      try checkpoint.check(tensor.name, tensor.shape, storage.parameterType)
    }
  }

  /// Throws unless a state's parameters are of this optimizer's type.
  func check(_ storage: Storage) throws(DescentError) {
    guard storage == self.storage else {
      throw .value(
        of: "the storage of the state's parameters", given: "\(storage)",
        allowed: "\(self.storage), as of the optimizer that loads it")
    }
  }
}

// MARK: Some tensors

extension Optimizer {
  /// Loads some tensors' states, and their parameters where memory for them is given: those of the
  /// file for which `isWanted` holds. All others stay as they are, as do the rule, ``stepCount``,
  /// the groups' settings, clipping and loss scale: for fine-tuning, a new head, a model that grew.
  ///
  /// A group takes over the step count of its tensors in the file. Tensors that are new need a
  /// group of their own, so that their bias correction begins at the beginning; a group whose
  /// tensors would have different step counts is refused.
  /// ``Checkpoint/readParameters(into:layout:converting:where:)`` reads parameters alone.
  ///
  /// - Returns: what was loaded, what else the file has, and what stayed.
  /// - Throws: as ``load(from:parameters:)``, also for a wanted tensor of another shape, before
  ///   anything is touched.
  @discardableResult
  public func load(
    from source: some CheckpointSource,
    parameters: inout some MutableVector & ~Copyable & ~Escapable,
    where isWanted: (ParameterLayout.Tensor) throws -> Bool
  ) throws -> LoadReport {
    let checkpoint = try source.openedCheckpoint()
    var report = LoadReport()
    try parameters.withMutableVectorMemory(for: use(.parameters)) {
      report = try load(
        checkpoint, HostVector($0.elements(of: "parameters", as: storage.parameterType)),
        where: isWanted)
    }
    return report
  }

  /// The same without parameters.
  @discardableResult
  public func load(
    from source: some CheckpointSource,
    where isWanted: (ParameterLayout.Tensor) throws -> Bool
  ) throws -> LoadReport {
    try load(source.openedCheckpoint(), nil, where: isWanted)
  }

  /// Loads tensors by name, all of which the file and the layout must have. Otherwise as
  /// ``load(from:parameters:where:)``.
  @discardableResult
  public func load(
    from source: some CheckpointSource,
    parameters: inout some MutableVector & ~Copyable & ~Escapable, tensors: [String]
  ) throws -> LoadReport {
    let checkpoint = try source.openedCheckpoint()
    let names = try known(tensors, in: checkpoint)
    return try load(from: checkpoint, parameters: &parameters) { names.contains($0.name) }
  }

  /// The same without parameters.
  @discardableResult
  public func load(
    from source: some CheckpointSource, tensors: [String]
  ) throws -> LoadReport {
    let checkpoint = try source.openedCheckpoint()
    let names = try known(tensors, in: checkpoint)
    return try load(from: checkpoint) { names.contains($0.name) }
  }

  private func known(_ tensors: [String], in checkpoint: Checkpoint) throws -> Set<String> {
    for name in tensors {
      let own = try layout.tensor(name)
      if checkpoint.status?.layout[own.name] == nil {
        throw CheckpointError.tensor(name: name, reason: "it is missing in \(checkpoint.path)")
      }
    }
    return Set(tensors)
  }

  private func load(
    _ checkpoint: Checkpoint, _ parameters: HostVector?,
    where isWanted: (ParameterLayout.Tensor) throws -> Bool
  ) throws -> LoadReport {
    guard let status = checkpoint.status else {
      throw CheckpointError.noOptimizer(file: checkpoint.path)
    }
    try check(status.storage)
    let wanted = try layout.tensors.filter {
      try isWanted($0) && status.layout[$0.name] != nil
    }
    let names = Set(wanted.map(\.name))
    // An average that has not begun begins with the parameters of the coming step.
    // What the storage keeps of parameters belongs to these.
    let states =
      stateNames.filter { parameters != nil || $0 != storage.companion?.name }
      + (averageHasBegun ? [Self.averageName] : [])
    let others = layout.tensors.filter { !names.contains($0.name) }
    try checkBeginning(status, wanted, hasOthers: !others.isEmpty, parameters != nil)
    for tensor in wanted {
      _ = try fitting(
        status.tensorRule(tensor.name), groups.first[try groups.index(of: tensor.group)])
      for state in states {
        guard let vector = vector(state, of: tensor) else { continue }
        try checkWhole(vector, state, names)
        try checkpoint.check(
          checkpoint.fileState(state, of: tensor), status.elementType(ofState: state))
      }
    }
    if let parameters { try check(parameters.count, checkpoint, wanted) }
    // Steps in flight change counts and states.
    try collect(wait: true)
    try checkNothingAccumulated()
    try waitForStates()
    try checkStates()
    if isSettled { throw DescentError.settled }
    let counts = try GroupFit.counts(status, groups, layout, loaded: names)
    let histories = try counts.enumerated().map { index, count in
      try count.flatMap { try history(ofGroup: index, after: $0, status, loaded: names) }
    }
    try checkpoint.verify()

    tornReason = "a state was only partly loaded"
    if let parameters {
      for tensor in wanted { try checkpoint.readParameters(of: tensor, into: parameters) }
    }
    try write(states, of: wanted) { try checkpoint.read($0, $1, $2, $3) }
    if !statesHaveBegun && status.statesHaveBegun {
      if let parameters { try begin(others, with: parameters) }
      statesHaveBegun = true
    }
    for (index, count) in counts.enumerated() {
      if let count { groups.begin(index, at: count, history: histories[index]) }
    }
    beginMissedSteps(
      missedSteps.subtracting(names).union(status.missedSteps.intersection(names)))
    tornReason = nil
    return LoadReport(
      checkpoint, layout, loaded: wanted.map(\.name), parameters: parameters != nil,
      states: states)
  }

  /// Throws if states that begin as a copy of the parameters would begin with the next step although
  /// some are loaded, or have begun although the file's have not.
  private func checkBeginning(
    _ status: OptimizerStatus, _ wanted: [ParameterLayout.Tensor], hasOthers: Bool,
    _ hasParameters: Bool
  ) throws(CheckpointError) {
    guard let first = wanted.first, groups.programs.copiesParameters else { return }
    if statesHaveBegun && !status.statesHaveBegun {
      throw .tensor(
        name: first.name,
        reason:
          "it was saved before the run's first step, with which states begin as a copy of the "
          + "parameters; allowed is a later file, or to load it before the first step")
    }
    if !statesHaveBegun && status.statesHaveBegun && hasOthers && !hasParameters {
      throw .tensor(
        name: first.name,
        reason:
          "before the first step the other tensors' states begin as a copy of the parameters; "
          + "allowed is to load with parameters")
    }
  }

  /// Copies parameters to the states of some tensors that begin as a copy of them.
  private func begin(_ tensors: [ParameterLayout.Tensor], with parameters: HostVector) throws {
    for tensor in tensors {
      let program = groups.programs.list[groups.programs.program(of: tensor)]
      var names = program.states.filter { $0.start == .parameters }.map(\.name)
      if let companion = storage.companion, companion.copiesParameters {
        names.append(companion.name)
      }
      var values = [Float](repeating: 0, count: tensor.count)
      parameters.forEachPart(of: tensor.range) { part, offset in
        for index in 0..<part.count { values[offset + index] = part.start?.value(at: index) ?? 0 }
      }
      for name in names {
        guard let vector = vector(name, of: tensor) else { continue }
        try values.withUnsafeBufferPointer { try write(vector, of: tensor, $0) }
      }
    }
  }

  /// The history of a group after some of its tensors are loaded; nil for none. Throws
  /// ``CheckpointError`` if the tensors that stay need another one.
  private func history(
    ofGroup index: Int, after steps: Int, _ status: OptimizerStatus, loaded: Set<String>
  ) throws -> [Double]? {
    let (rule, name) = (groups.first[index], groups.names[index])
    let members = layout.tensors.filter { $0.group == name }
    guard !rule.history.isEmpty, let first = members.first(where: { loaded.contains($0.name) }),
      let origin = status.layout[first.name]?.group
    else { return nil }
    let given = try rule.values(
      ofHistory: status.histories[origin] ?? [:], after: steps, group: origin)
    let staysWhole = members.allSatisfy { loaded.contains($0.name) }
    guard staysWhole || given ?? rule.history.map(\.start) == groups.histories[index] else {
      throw CheckpointError.group(
        name: name,
        reason: "its rule's history is another in the file of \"\(first.name)\"; allowed is the "
          + "same, or to load all of its tensors")
    }
    return given
  }

  /// Throws if a state that all tensors of a rule share would be loaded for some of them.
  private func checkWhole(
    _ vector: StateVector, _ name: String, _ loaded: Set<String>
  ) throws(CheckpointError) {
    guard shape(of: vector) == .model, case .state(let program, _) = vector else { return }
    for tensor in layout.tensors
    where groups.programs.program(of: tensor) == program && !loaded.contains(tensor.name) {
      throw .tensor(
        name: tensor.name,
        reason: "it shares the state \"\(name)\" with tensors that are loaded; allowed is to load "
          + "all of them")
    }
  }

  /// Reads one element of a state, and so waits for every step that writes it.
  private func waitForStates() throws {
    for tensor in layout.tensors where tensor.count > 0 {
      for name in stateNames {
        guard let vector = vector(name, of: tensor) else { continue }
        _ = try read(vector, 0..<1, of: tensor)
        return
      }
    }
  }

  /// Throws unless the states of every group are those of a rule of its type.
  func checkRules(_ fit: GroupFit, _ status: OptimizerStatus) throws {
    for (index, group) in fit.groups.enumerated() {
      _ = try fitting(group.own ?? status.rule, groups.first[index])
    }
    if fit.groups.isEmpty { _ = try fitting(status.rule, firstRule) }
  }
}

extension Checkpoint {
  /// Reads elements of a state. Not compared with a checksum, which ``verify()`` does.
  func read(
    _ state: String, _ tensor: ParameterLayout.Tensor, _ elements: Range<Int>,
    _ memory: ElementBuffer
  ) throws {
    let own = try fileState(state, of: tensor)
    let type = status?.elementType(ofState: state) ?? .float32
    if type != .float32 {
      return try reader.file(of: own.name).read(
        own.name, elements: elements, of: type, into: memory)
    }
    guard case .mean(of: let name) = own else {
      return try reader.file(of: own.name).read(
        own.name, elements: elements, into: memory.floats)
    }
    let values = try reader.floats(name)
    let sum = values.reduce(0.0) { $0 + Double($1) }
    for index in 0..<elements.count {
      memory.floats[index] = Float(sum / Double(max(1, values.count)))
    }
  }
}
