#if OpenCL
public import OpenCLHost
#endif

/// A rule at work on a model: owns the rule's states and counts its steps.
///
/// ```swift
/// var layout = ParameterLayout()
/// try layout.append("weight", shape: [10, 64])
/// let optimizer = try Optimizer(Adam(learningRate: 1e-3), layout: layout)
/// try optimizer.step(&parameters, gradients: gradients)
/// ```
///
/// Not `Sendable`, and without a lock: one trainer, one optimizer. Several of them may work at once, each on
/// its own thread, on one queue or on several; a buffer that two of them touch needs events between their
/// steps. A step's event may be waited for on any thread. Whatever the engine, the same
/// calls leave the same bits, except on a device that says otherwise of itself (`Device.sameBits`).
public final class Optimizer {
  /// The rule. It may be replaced between steps, `optimizer.rule = Adam(learningRate: 1e-4)`; the next
  /// step validates it, and refuses another type and hyper-parameters that change which states there
  /// are or what they mean. States begin as the first rule says.
  public var rule: any UpdateRule {
    didSet { ruleIsChecked = false }
  }

  public let layout: ParameterLayout

  /// What runs the steps: `cpu (avx512, 2 threads)`.
  public var engineName: String { engine.name }

  /// Why this engine, in a sentence.
  public let engineReason: String

  /// How many steps have been taken; a skipped one is none. Bias corrections follow from it. Waits for
  /// enqueued steps that may be skipped; one that failed throws at the next call that throws.
  public var stepCount: Int {
    try? collect(wait: true)
    return appliedSteps
  }

  /// How many steps were skipped since the beginning or a restored state, because their gradient was not
  /// finite. Waits as ``stepCount``.
  public var skippedStepCount: Int {
    try? collect(wait: true)
    return skippedSteps
  }

  /// How gradients are clipped from the next step on, in groups that do not say otherwise. A wrong limit
  /// is refused by that step.
  public var clipping: Clipping? {
    didSet { controlIsChecked = false }
  }

  /// Whether a step with a gradient that is not finite, once it is scaled, leaves parameters, states and
  /// step count as they were. Norm clipping and a loss scale skip such steps in any case.
  public var skipsNonFinite = false {
    didSet { controlIsChecked = false }
  }

  /// The states that the rule keeps, by name.
  public let stateNames: [String]

  let engine: any Engine
  let groups: GroupRules
  private var appliedSteps = 0
  private var skippedSteps = 0
  private var control = StepControl()
  private var controlIsChecked = false
  private var lastStepLooked = false
  /// The vectors whose pieces were last found not to overlap.
  private var apart = PieceCheck()
  /// The rule that the states belong to.
  private let firstRule: any UpdateRule
  private var ruleIsChecked = true
  /// The rule as the last step took it, for rules that look back.
  private var lastRule: (any UpdateRule)?
  private var isSettled = false
  private var tornReason: String?

  /// - Throws: ``DescentError`` for a rule or an engine choice that cannot be; `OpenCLError` if the
  ///   device refuses.
  public init(
    _ rule: any UpdateRule, layout: ParameterLayout, on choice: EngineChoice = .automatic
  ) throws {
    try rule.validate()
    self.rule = rule
    self.layout = layout
    firstRule = rule
    stateNames = rule.stateNames
    groups = try withDefaultFloatingPoint { try GroupRules(rule, layout) }
    (engine, engineReason) = try withDefaultFloatingPoint {
      try choice.engine(for: rule, layout: layout)
    }
  }

  /// With an engine of the caller's, for tests.
  init(_ rule: any UpdateRule, layout: ParameterLayout, engine: any Engine) throws {
    try rule.validate()
    (self.rule, firstRule, stateNames) = (rule, rule, rule.stateNames)
    (self.layout, self.engine, engineReason) = (layout, engine, "asked for")
    groups = try withDefaultFloatingPoint { try GroupRules(rule, layout) }
  }

  /// η of the rule.
  public var learningRate: Double {
    get { rule.learningRate }
    set { rule.learningRate = newValue }
  }

  // MARK: Steps

  /// Updates all parameters from all gradients.
  ///
  /// - Parameters:
  ///   - parameters: `layout.count` elements, tensor after tensor.
  ///   - gradients: lie the same way.
  ///   - gradientScale: what every gradient is multiplied by first: one over a loss scale, or over a
  ///     number of accumulated batches.
  /// - Throws: ``DescentError`` before anything is touched; `OpenCLError` if the device fails.
  public func step(
    _ parameters: inout [Float], gradients: [Float], gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeMutableBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { gradients in
        try step(parameters, gradients: gradients, gradientScale: gradientScale)
      }
    }
  }

  /// Updates all parameters from all gradients, and leaves every gradient 0, also after a step that was
  /// skipped: in the same pass over memory. Otherwise as
  /// ``step(_:gradients:gradientScale:)-([Float],_,_)``.
  public func step(
    _ parameters: inout [Float], zeroing gradients: inout [Float], gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeMutableBufferPointer { parameters in
      try gradients.withUnsafeMutableBufferPointer { gradients in
        try step(parameters, zeroing: gradients, gradientScale: gradientScale)
      }
    }
  }

  /// Updates memory of any alignment, and leaves every gradient 0. The two must not overlap. Otherwise as
  /// ``step(_:zeroing:gradientScale:)-([Float],_,_)``.
  public func step(
    _ parameters: UnsafeMutableBufferPointer<Float>,
    zeroing gradients: UnsafeMutableBufferPointer<Float>, gradientScale: Double = 1
  ) throws {
    try withPieces(parameters, gradients) { try step($0, $1, gradientScale, zeroes: true) }
  }

  /// Updates memory that a span lends: `step(parameters.mutableSpan, gradients: gradients.span)`.
  /// Otherwise as ``step(_:gradients:gradientScale:)-([Float],_,_)``.
  public func step(
    _ parameters: consuming MutableSpan<Float>, gradients: Span<Float>, gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeMutableBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { gradients in
        try step(parameters, gradients: gradients, gradientScale: gradientScale)
      }
    }
  }

  /// Updates memory of any alignment. The two must not overlap. Otherwise as
  /// ``step(_:gradients:gradientScale:)-([Float],_,_)``.
  public func step(
    _ parameters: UnsafeMutableBufferPointer<Float>, gradients: UnsafeBufferPointer<Float>,
    gradientScale: Double = 1
  ) throws {
    try withPieces(parameters, UnsafeMutableBufferPointer(mutating: gradients)) {
      try step($0, $1, gradientScale, zeroes: false)
    }
  }

  private func withPieces(
    _ parameters: UnsafeMutableBufferPointer<Float>,
    _ gradients: UnsafeMutableBufferPointer<Float>, _ body: (HostPieces, HostPieces) throws -> Void
  ) rethrows {
    try withUnsafePointer(to: parameters) { parameters in
      try withUnsafePointer(to: gradients) { gradients in
        try body(HostPieces(start: parameters, count: 1), HostPieces(start: gradients, count: 1))
      }
    }
  }

  /// Updates a vector that lies in several pieces of memory, tensor after tensor or cut anywhere: the
  /// pieces one after another are the vector. Gradients may be cut otherwise. No two may overlap.
  /// Otherwise as ``step(_:gradients:gradientScale:)-([Float],_,_)``.
  public func step(
    _ parameters: [UnsafeMutableBufferPointer<Float>], gradients: [UnsafeBufferPointer<Float>],
    gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeBufferPointer { parameters in
      try gradients.map { UnsafeMutableBufferPointer(mutating: $0) }
        .withUnsafeBufferPointer { gradients in
          try step(parameters, gradients, gradientScale, zeroes: false)
        }
    }
  }

  /// The same, and leaves every gradient 0.
  public func step(
    _ parameters: [UnsafeMutableBufferPointer<Float>],
    zeroing gradients: [UnsafeMutableBufferPointer<Float>], gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { gradients in
        try step(parameters, gradients, gradientScale, zeroes: true)
      }
    }
  }

  private func step(
    _ parameters: HostPieces, _ gradients: HostPieces, _ gradientScale: Double, zeroes: Bool
  ) throws {
    try checkCount("parameters", parameters.reduce(0) { $0 + $1.count })
    try checkCount("gradients", gradients.reduce(0) { $0 + $1.count })
    try apart.check(parameters, gradients)
    try take(gradientScale, zeroes: zeroes) { try engine.update(parameters, gradients, $0) }
    try collect(wait: true)
  }

  /// Checks that a step may be taken, takes it in the default floating-point environment, counts it.
  func take<Result>(
    _ gradientScale: Double, zeroes: Bool, _ update: (StepInput) throws -> Result
  ) throws -> Result {
    try checkStates()
    if isSettled { throw DescentError.settled }
    if !ruleIsChecked { try checkRule(after: lastRule) }
    if !controlIsChecked { try checkControl() }
    try checkLookAhead()
    try checkScale(gradientScale)
    // What the engine decides it tells of later; all else is counted here and now.
    try collect(wait: !control.looks)
    let input = StepInput(
      groups: groups, gradientScale: gradientScale, control: control, zeroes: zeroes)
    let result = try markingTornSteps { try withDefaultFloatingPoint { try update(input) } }
    if !control.looks { count(DecidedSteps(applied: 1)) }
    lastStepLooked = control.looks
    lastRule = rule
    // Where a rule cannot follow itself, as with a γ announced to change, it is looked at again.
    ruleIsChecked = (try? Self.validate(rule, after: rule)) != nil
    return result
  }

  /// Counts the steps that were decided since the last call; with `wait`, all.
  private func collect(wait: Bool) throws {
    if wait && engine.stepsInFlight == 0 { return count(try engine.collect(wait: false)) }
    count(try markingTornSteps { try engine.collect(wait: wait) })
  }

  private func count(_ steps: DecidedSteps) {
    appliedSteps += steps.applied
    skippedSteps += steps.skipped
    groups.count(steps.applied)
  }

  /// Throws if an earlier step left the states half updated.
  private func checkStates() throws {
    if tornReason == nil { try markingTornSteps { try engine.checkEnqueued() } }
    if let tornReason { throw DescentError.tornStep(tornReason) }
  }

  private func markingTornSteps<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let torn as TornStep {
      tornReason = "\(torn.underlying)"
      throw torn.underlying
    }
  }

  /// Throws unless the rule is valid, goes on with the states, and may follow `last`.
  private func checkRule(after last: (any UpdateRule)?) throws {
    try rule.validate()
    guard type(of: rule) == type(of: firstRule), rule.stateMeaning == firstRule.stateMeaning else {
      throw DescentError.ruleChanged(from: Self.meaning(firstRule), to: Self.meaning(rule))
    }
    if let last { try Self.validate(rule, after: last) }
    try withDefaultFloatingPoint { try groups.follow(rule) }
    ruleIsChecked = true
  }

  /// A rule's name, and what its states mean where that is what is special.
  private static func meaning(_ rule: any UpdateRule) -> String {
    let name = type(of: rule).name
    let isPlain = type(of: rule).init().stateMeaning == rule.stateMeaning
    return isPlain ? name : "\(name) (\(rule.stateMeaning))"
  }

  private static func validate<Rule: UpdateRule>(_ rule: Rule, after last: any UpdateRule) throws {
    if let last = last as? Rule { try rule.validate(after: last) }
  }

  /// Throws if momentum is announced to change by a step that may not be taken, or not by all groups:
  /// the look-ahead point would be ahead by another γ than the next step prepares for.
  private func checkLookAhead() throws {
    guard let rule = rule as? Nesterov, rule.heldMomentum != rule.momentum,
      control.looks || groups.groups.contains(where: \.isFrozen)
    else { return }
    throw DescentError.unsupported(
      "nesterov: nextMomentum cannot change in a step that may be skipped or with a frozen group")
  }

  /// Throws unless clipping and the loss scale can be, and puts together what steps do beside the update.
  private func checkControl() throws {
    try clipping?.validate()
    control.clipping = clipping
    control.skipsNonFinite = skipsNonFinite
    control.groupClipping = groups.groups.map(\.clipping)
    control.isFrozen = groups.groups.map(\.isFrozen)
    controlIsChecked = true
  }

  private func checkCount(_ what: String, _ given: Int) throws {
    guard given == layout.count else {
      throw DescentError.count(of: what, given: given, expected: layout.count)
    }
  }

  // MARK: States

  /// A state of one tensor: `try optimizer.state("m", of: "weight")`. Waits for enqueued steps.
  public func state(_ name: String, of tensor: String) throws -> [Float] {
    try read(stateIndex(name), layout.tensor(tensor).range)
  }

  /// A state of the whole model, as the parameters lie. Waits for enqueued steps.
  public func state(_ name: String) throws -> [Float] {
    try read(stateIndex(name), 0..<layout.count)
  }

  /// Replaces a state of one tensor.
  public func setState(_ name: String, of tensor: String, to values: [Float]) throws {
    let tensor = try layout.tensor(tensor)
    guard values.count == tensor.count else {
      throw DescentError.count(
        of: "state \"\(name)\" of \"\(tensor.name)\"", given: values.count, expected: tensor.count)
    }
    try write(stateIndex(name), tensor.range, values)
  }

  /// Every state of the whole model by name: with ``stepCount``, the parameters, the counts of groups that
  /// were frozen and the ``lossScale``, if there is one, all that it takes to go on elsewhere. Throws ``DescentError/settled`` after ``settle(_:)``: whoever went on from a
  /// settled point with these states would take the look-ahead twice.
  public func states() throws -> [String: [Float]] {
    if isSettled { throw DescentError.settled }
    var result: [String: [Float]] = [:]
    for name in stateNames { result[name] = try state(name) }
    return result
  }

  /// Takes up where another optimizer of this rule and layout stopped. ``rule`` is then the coming
  /// step's: where its hyper-parameters follow a schedule, set it first.
  ///
  /// - Parameters:
  ///   - states: what ``states()`` gave: every state, whole.
  ///   - stepCount: how many steps that optimizer had taken.
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
    for (what, count) in [("stepCount", stepCount)] + groupStepCounts.map({ ($0, $1) })
    where count < 0 {
      throw DescentError.unsupported("\(what) is \(count); allowed is 0 or more")
    }
    engine.forgetEnqueued()
    tornReason = "a state was only partly restored"
    for (index, name) in stateNames.enumerated() {
      if let values = states[name] { try write(index, 0..<layout.count, values) }
    }
    begin(at: stepCount)
    for (name, count) in groupStepCounts { groups.counts[try groups.index(of: name)] = count }
  }

  /// Forgets all steps: states and step count as at the beginning.
  public func reset() throws {
    try checkRule(after: nil)
    engine.forgetEnqueued()
    tornReason = "a state was only partly reset"
    try withDefaultFloatingPoint {
      for (index, name) in stateNames.enumerated() {
        let value = Float(rule.initialValue(ofState: name))
        try write(index, 0..<layout.count, Array(repeating: value, count: layout.count))
      }
    }
    begin(at: 0)
  }

  private func begin(at count: Int) {
    appliedSteps = count
    skippedSteps = 0
    for index in groups.counts.indices { groups.counts[index] = count }
    tornReason = nil
    isSettled = false
    lastRule = nil
    lastStepLooked = false
  }

  private func stateIndex(_ name: String) throws -> Int {
    guard let index = stateNames.firstIndex(of: name) else {
      throw DescentError.unknown(
        kind: "state of \(type(of: firstRule).name)", name: name, known: stateNames)
    }
    return index
  }

  private func read(_ index: Int, _ range: Range<Int>) throws -> [Float] {
    // The library would write its one empty array's count, 0 over 0, and the thread sanitizer see a race.
    if range.isEmpty { return [] }
    return try markingTornSteps {
      try [Float](unsafeUninitializedCapacity: range.count) { buffer, initialized in
        if let start = buffer.baseAddress { try engine.readState(index, range, into: start) }
        initialized = range.count
      }
    }
  }

  private func write(_ index: Int, _ range: Range<Int>, _ values: [Float]) throws {
    try values.withUnsafeBufferPointer { buffer in
      if let start = buffer.baseAddress { try engine.writeState(index, range, from: start) }
    }
  }
}

// MARK: Groups

extension Optimizer {
  /// The settings of a group of the layout. Throws ``DescentError`` if there is none of that name.
  public func group(_ name: String) throws -> ParameterGroup {
    groups.groups[try groups.index(of: name)]
  }

  /// Replaces a group's settings from the next step on: its learning rate's factor, its weight decay,
  /// or whether it is frozen. Throws ``DescentError``, and changes nothing, if there is no group of
  /// that name or a number cannot be.
  public func setGroup(_ name: String, to group: ParameterGroup) throws {
    let index = try groups.index(of: name)
    // A step in flight counts for the groups as they were when it was enqueued.
    try collect(wait: true)
    try withDefaultFloatingPoint { try groups.set(index, to: group, rule) }
    controlIsChecked = false
  }

  /// How many steps a group has taken: fewer than ``stepCount`` if it was frozen for some.
  public func stepCount(ofGroup name: String) throws -> Int {
    try collect(wait: true)
    return groups.counts[try groups.index(of: name)]
  }
}

// MARK: Norm and loss scale

extension Optimizer {
  /// The norm of the last step's gradient as it was given, before any scale, over all tensors that were
  /// not frozen; ∞ or NaN where the gradient was. nil if that step did not look at its gradient. The same
  /// number on every engine. Waits for the step.
  public var lastNorm: Double? {
    get throws {
      guard lastStepLooked else { return nil }
      return try markingTornSteps { try engine.lastDecision().norm }
    }
  }

  /// The loss scale after the last step; nil where there is none. Waits for that step.
  public var lossScale: LossScale? {
    get throws {
      guard var scale = control.lossScale else { return nil }
      let last = try markingTornSteps { try engine.lastDecision() }
      (scale.scale, scale.stepsSinceChange) = (last.lossScale, last.stepsSinceChange)
      return scale
    }
  }

  /// Sets a loss scale that every step divides out of its gradients, and that follows what it finds; nil
  /// takes it away. `gradientScale` multiplies beside it. Waits for enqueued steps.
  ///
  /// A step divides by the scale as the step before has left it: read ``lossScale`` before each loss.
  public func setLossScale(_ scale: LossScale?) throws {
    try scale?.validate()
    try collect(wait: true)
    try engine.setLossScale(scale)
    control.lossScale = scale
  }
}

// MARK: Look-ahead

extension Optimizer {
  /// Writes Nesterov's iterate W = φ + γV into `iterate`, from the parameters φ that steps update.
  /// The parameters stay as they are, and training may go on. W is what to evaluate and to publish; to go
  /// on later, φ is what to save.
  /// Parameters on a device are read back first.
  ///
  /// - Throws: ``DescentError/unsupported(_:)`` if the rule is not ``Nesterov``, and what reading a
  ///   state throws.
  public func writeIterate(from parameters: [Float], into iterate: inout [Float]) throws {
    try checkCount("parameters", parameters.count)
    try checkCount("iterate", iterate.count)
    let ahead = try lookAhead()
    withDefaultFloatingPoint {
      for tensor in layout.tensors {
        for i in tensor.range { iterate[i] = parameters[i] + ahead[i] }
      }
    }
  }

  /// Replaces the parameters φ by Nesterov's iterate W, at the end of training. Later steps throw
  /// ``DescentError/settled`` until ``reset()`` or ``restore(states:stepCount:)``.
  public func settle(_ parameters: inout [Float]) throws {
    let start = parameters
    try writeIterate(from: start, into: &parameters)
    isSettled = true
  }

  /// γV, what φ is short of W; nothing once settled.
  private func lookAhead() throws -> [Float] {
    guard let rule = rule as? Nesterov else {
      throw DescentError.unsupported(
        "only nesterov's parameters are a look-ahead point; \(type(of: rule).name)'s are the iterate"
      )
    }
    try checkStates()
    // Before a first step the rule is the coming step's, whose γ the point is ahead by.
    let momentum = (lastRule as? Nesterov)?.heldMomentum ?? rule.momentum
    let velocity = try state("b")
    return withDefaultFloatingPoint {
      let scale = isSettled ? 0 : Float(momentum)
      return velocity.map { scale * $0 }
    }
  }
}

// MARK: Device memory

#if OpenCL
extension Optimizer {
  /// The OpenCL queue that steps run on, nil on other engines. Buffers for ``enqueueStep`` belong to
  /// its context.
  public var queue: CommandQueue? { (engine as? OpenCLEngine)?.queue }

  /// How many launches the last step's update took on the device: one for each piece of memory, whatever
  /// the number of tensors. A step that looks at its gradient first launches four more. 0 before the first step and on other engines.
  public var launchesPerStep: Int { engine.launchesPerStep }

  /// Enqueues a step over device memory and returns its event, without waiting.
  ///
  /// - Parameters:
  ///   - parameters: `layout.count` elements, in the context of ``queue``.
  ///   - gradients: lie the same way. The two must not overlap.
  ///   - zeroing: whether the gradients are 0 after the step, also after one that was skipped.
  ///   - after: what the step waits for, beyond what is in ``queue`` already; in an adopted queue that is
  ///     out of order, beyond the optimizer's own steps.
  /// Does not wait for the device, but where 32 steps are in flight that may be skipped or that have
  /// several groups, and at the first step after skipping or clipping was switched on or off.
  ///
  /// A step that cannot be skipped counts as taken. If its event fails, the next call that needs the states throws the
  /// event's error, and the optimizer refuses to go on until it is reset or a state is restored.
  ///
  /// - Throws: ``DescentError``, also on an engine without a device, or `OpenCLUsageError` for a
  ///   buffer or an event of another context or parameters that kernels may only read, before anything
  ///   is touched; `OpenCLError` if the device refuses, or for an event that has failed already.
  @discardableResult
  public func enqueueStep(
    _ parameters: BufferSlice<Float>, gradients: BufferSlice<Float>, gradientScale: Double = 1,
    zeroing: Bool = false, after events: [Event] = []
  ) throws -> Event {
    try enqueueStep(
      [parameters], gradients: [gradients], gradientScale: gradientScale, zeroing: zeroing,
      after: events)
  }

  /// Enqueues a step over vectors that lie in several buffers, tensor after tensor or cut anywhere: the
  /// pieces one after another are the vector. Gradients may be cut otherwise. The launches follow one
  /// another without a wait, and the event is the last one's.
  @discardableResult
  public func enqueueStep(
    _ parameters: [BufferSlice<Float>], gradients: [BufferSlice<Float>],
    gradientScale: Double = 1, zeroing: Bool = false, after events: [Event] = []
  ) throws -> Event {
    guard let engine = engine as? OpenCLEngine else {
      throw DescentError.unsupported(
        "enqueueStep needs an optimizer on an OpenCL device; this one runs on \(engineName)")
    }
    try checkCount("parameters", parameters.reduce(0) { $0 + $1.count })
    try checkCount("gradients", gradients.reduce(0) { $0 + $1.count })
    try apart.check(parameters, gradients)
    for (what, slices) in [("parameters", parameters), ("gradients", gradients)] {
      for slice in slices where slice.buffer.context.rawHandle != engine.queue.context.rawHandle {
        throw OpenCLUsageError.otherContext(what: what, than: "optimizer")
      }
    }
    guard parameters.allSatisfy(\.buffer.isWritable) else {
      throw OpenCLUsageError.readOnly(what: "parameters")
    }
    guard !zeroing || gradients.allSatisfy(\.buffer.isWritable) else {
      throw OpenCLUsageError.readOnly(what: "gradients to zero")
    }
    try engine.queue.require(events)
    return try take(gradientScale, zeroes: zeroing) { input in
      try engine.enqueue(parameters, gradients, input, after: events)
    }
  }

  /// Enqueues a step over whole buffers; otherwise as with slices.
  @discardableResult
  public func enqueueStep(
    _ parameters: Buffer<Float>, gradients: Buffer<Float>, gradientScale: Double = 1,
    zeroing: Bool = false, after events: [Event] = []
  ) throws -> Event {
    try enqueueStep(
      parameters.whole, gradients: gradients.whole, gradientScale: gradientScale, zeroing: zeroing,
      after: events)
  }
}
#endif
