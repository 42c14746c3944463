#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// The rules on an OpenCL device; states live there from birth.
final class OpenCLEngine: Engine {
  let name: String
  let queue: CommandQueue
  private(set) var launchesPerStep = 0

  let layout: ParameterLayout
  private var programs: UpdatePrograms
  let cuts: SegmentCuts
  let states: DeviceStates
  private var shape: FittedShape
  /// How whole blocks are launched, as the driver allows.
  var launchShape: LaunchShape { shape.shape }
  private let values: GroupValues
  private var ring: ValuesRing?
  private var kernels: [KernelKey: Kernel] = [:]
  private var norm: DeviceNorm?
  /// The sum of gradients, and the average of the parameters, once there are such.
  private var sum: DeviceSum?
  var average: DeviceStates?
  private var control: DeviceControl?
  /// The control block, which stays where it is as long as the engine lives.
  private var controlState: Buffer<descent_control>?
  private var lossScale: LossScale?
  private var plan: DevicePlan?
  /// Elements of host memory that are carried to the device at a time; nil where the device shares it.
  let chunk: Int?
  /// Made by the first step over host memory that is carried.
  var carrier: HostCarrier?
  var pending = PendingCommands()

  /// - Parameters:
  ///   - shape: the caller's choice, which is refused where the device or a kernel does not allow
  ///     it.
  ///   - tuned: taken without a choice.
  init(
    _ rule: any UpdateRule, layout: ParameterLayout, queue: CommandQueue, shape: LaunchShape?,
    tuned: LaunchShape? = nil, chunk: Int? = nil, logger: Logger? = nil
  ) throws {
    let device = queue.device
    let isChosen = shape != nil
    let shape = shape ?? tuned ?? LaunchShape(for: device)
    try shape.validate(on: device)
    let compiled = try CompiledRule(rule.kernel)
    self.queue = queue
    self.chunk = chunk ?? (device.sharesHostMemory ? nil : HostCarrier.defaultChunk)
    self.layout = layout
    self.shape = FittedShape(shape: shape, isChosen: isChosen)
    programs = UpdatePrograms(rule: compiled, context: queue.context, logger: logger)
    values = GroupValues(compiled, groups: layout.groupNames.count)
    cuts = SegmentCuts(layout, queue.context)
    states = try DeviceStates(rule, cuts, queue: queue)
    name = "opencl (\(device.name), \(shape.lanes) lanes)"
    pending.append(independent: states.takeBirths())
    _ = try fit(
      DevicePlan.Key(parameters: [layout.count], gradients: [layout.count], sets: nil), [])
  }

  deinit {
    // One deadline for both.
    let deadline = pending.deadline
    ring?.deadline = deadline
    control?.deadline = deadline
  }

  // MARK: Launches

  /// Enqueues a step over memory of the device, in pieces, and hands it over at once; does not wait,
  /// but where 32 steps are in flight that the device decides or whose groups it reads.
  ///
  /// - Parameter carrier: what carries each piece of parameters there and back, nil if they lie there.
  func enqueue(
    _ parameters: [BufferSlice<Float>], _ gradients: [BufferSlice<Float>], _ step: StepInput,
    after: [Event], carrier: HostCarrier? = nil
  ) throws -> Event {
    let launch = try prepare(parameters, gradients, step)
    launchesPerStep = 0
    var hasBegun = false
    do {
      var before = pending.last + after
      // What is carried there in chunks begins the average by itself.
      if carrier == nil, let average, step.average?.begins == true {
        try average.enqueueCopy(layout.occupied, of: parameters, on: queue, after: before) {
          pending.append($0)
          before = [$0]
        }
      }
      let slot = try send(step, launch, after: pending.last)
      if let slot {
        before.append(slot.event)
        pending.append(awaited: slot.event)
      }
      if let norm, let control {
        let scale = Float(step.gradientScale)
        try norm.enqueue(
          gradients, with: launch.sum, scale: scale, state: control.state, on: queue, after: before
        ) { pending.append($0) }
        // Once the device has decided: it counts the step, and the loss scale moves.
        hasBegun = true
      }
      var launched: Event?
      for work in launch.plan.launches {
        let ready = try carrier?.send(work.parameters.piece) ?? []
        guard
          let event = try enqueue(
            work, launch, parameters[work.parameters.piece], gradients[work.gradients.piece],
            slot: slot?.slot,
            after: (launchesPerStep == 0 && norm == nil ? before : pending.last) + ready)
        else { continue }
        launchesPerStep += 1
        hasBegun = true
        launched = event
        pending.append(event)
        if let slot { ring?.use(slot.slot, until: event) }
        try carrier?.fetch(work.parameters.piece, after: event)
      }
      let last: Event
      if norm != nil, let control {
        last = try control.tell(after: pending.last, on: queue)
        pending.append(last)
      } else if let launched {
        last = launched
      } else {
        last = try queue.marker(after: before)
        pending.append(last)
      }
      try queue.flush()
      return last
    } catch {
      if hasBegun { throw TornStep(underlying: error) }
      throw error
    }
  }

  /// Enqueues adding a gradient in memory of the device to the sum, or beginning it, and hands it over at
  /// once.
  func enqueueAccumulate(
    _ gradients: [BufferSlice<Float>], begins: Bool, zeroes: Bool, after: [Event]
  ) throws -> Event {
    let sum =
      try self.sum
      ?? DeviceSum(makeVector(), layout, shape: shape, logger: programs.logger)
    self.sum = sum
    let before = pending.last + after
    var event: Event?
    try sum.enqueue(gradients, begins: begins, zeroes: zeroes, on: queue, after: before) {
      event = $0
      pending.append($0)
    }
    try queue.flush()
    return try event ?? queue.marker(after: before)
  }

  func dropAverage() { average = nil }

  func makeVector() throws -> DeviceStates {
    let vector = try DeviceStates([0], cuts, queue: queue)
    pending.append(independent: vector.takeBirths())
    return vector
  }

  /// A step's launches, and with which kernels.
  private struct Prepared {
    let plan: DevicePlan
    let flat: Kernel?
    let table: Kernel?
    /// The sum of gradients in segments, where the step takes it along.
    let sum: [Buffer<Float>]?
    /// The average in segments, and 1 − d, where it follows the step.
    let average: (segments: [Buffer<Float>], weight: Float)?
    /// Steps that the device may have to choose from: 1 where it does not decide.
    let rows: Int
  }

  /// Makes what a step of this kind over such pieces needs, unless the last step was of the kind.
  private func prepare(
    _ parameters: [BufferSlice<Float>], _ gradients: [BufferSlice<Float>], _ step: StepInput
  ) throws -> Prepared {
    let looks = step.control.looks
    if looks {
      if norm?.control.takesNorms(like: step.control) == true {
        norm?.control = step.control
      } else {
        norm = try DeviceNorm(
          layout, step.control, queue.context, logger: programs.logger)
      }
      try norm?.prepare(
        pieces: gradients.map(\.count), sum: step.accumulates ? sum?.vector.counts : nil,
        queue.context)
      _ = try makeControl()
    } else {
      norm = nil
    }
    let leftOut = step.control.leftOut
    let hasIdle = !leftOut.isEmpty || step.groups.groups.contains { $0.isFrozen }
    var options: UpdatePrograms.Options = step.zeroes ? .zeroing : []
    if step.accumulates { options.insert(.accumulated) }
    if step.average != nil { options.insert(.averaged) }
    if looks { options.insert(.controlled) }
    let (plan, flat, table) = try fit(
      DevicePlan.Key(
        parameters: parameters.map(\.count), gradients: gradients.map(\.count),
        sets: norm?.plan.setOfTensor, leftOut: leftOut,
        onlyTables: looks || step.zeroes && hasIdle), options)
    let rows = looks ? ValuesRing.slots + 1 : 1
    if plan.hasTables, ring.map({ $0.rows < rows }) ?? true {
      ring = try ValuesRing(queue.context, bytesPerRow: values.memory.count, rows: rows)
    }
    if step.average != nil && average == nil {
      average = try makeVector()
    }
    let followed = step.average.flatMap { step in average.map { ($0.segments[0], step.weight) } }
    return Prepared(
      plan: plan, flat: flat, table: table,
      sum: step.accumulates ? sum?.vector.segments[0] : nil, average: followed,
      rows: looks ? stepsInFlight + 1 : 1)
  }

  /// Writes what the launches need of each group: to the device where a table reads it there.
  private func send(
    _ step: StepInput, _ launch: Prepared, after: [Event]
  ) throws -> (slot: Int, event: Event)? {
    step.write(to: values.memory, stride: values.stride)
    guard launch.plan.hasTables, let ring else { return nil }
    let size = values.memory.count
    if let user = ring.blocking { try markingFailure { try pending.wait(through: user) } }
    return try ring.send(launch.rows * size, on: queue, after: after) { memory in
      for row in 0..<launch.rows {
        step.write(
          to: UnsafeMutableRawBufferPointer(rebasing: memory[row * size..<(row + 1) * size]),
          stride: values.stride, later: row)
      }
    }
  }

  private func enqueue(
    _ work: DevicePlan.Launch, _ launch: Prepared, _ parameters: BufferSlice<Float>,
    _ gradients: BufferSlice<Float>, slot: Int?, after: [Event]
  ) throws -> Event? {
    let kernel: Kernel
    let groups: Int
    let groupSize: Int
    var next = 3
    switch work.work {
    case .flat(let count, let group):
      guard let flat = launch.flat, let own = values.layout.of(group) else { return nil }
      kernel = flat
      groups = (count + shape.shape.block - 1) / shape.shape.block
      groupSize = shape.shape.groupSize
      try kernel.setArgument(0, UInt64(count))
      try kernel.setArgument(
        1, bytes: UnsafeRawBufferPointer(start: own.preparation, count: GroupRow.preparationSize))
      try kernel.setArgument(
        2,
        bytes: UnsafeRawBufferPointer(
          start: own.scalars, count: values.stride - GroupRow.scalarsOffset))
    case .table(let blocks, let count):
      guard let table = launch.table, let ring, let slot else { return nil }
      kernel = table
      groups = count
      groupSize = launch.plan.tableShape.groupSize
      let groupCount = layout.groupNames.count + 1
      try kernel.setArgument(0, blocks)
      try kernel.setArgument(1, ring.buffer)
      try kernel.setArgument(2, UInt32(slot * ring.rows * groupCount))
      if let norm, let control {
        try kernel.setArgument(3, UInt32(groupCount))
        try kernel.setArgument(4, control.confirmed)
        try kernel.setArgument(5, control.state)
        try kernel.setArgument(6, norm.coefficients)
        next = 7
      }
    }
    try kernel.setArgument(next, parameters.buffer)
    try kernel.setArgument(
      next + 1, UInt64(bitPattern: Int64(parameters.range.lowerBound + work.parameters.offset)))
    try kernel.setArgument(next + 2, gradients.buffer)
    try kernel.setArgument(
      next + 3, UInt64(bitPattern: Int64(gradients.range.lowerBound + work.gradients.offset)))
    try kernel.setArgument(next + 4, UInt64(bitPattern: Int64(work.states.offset)))
    for (index, state) in states.segments.enumerated() {
      try kernel.setArgument(next + 5 + index, state[work.states.piece])
    }
    next += 5 + states.segments.count
    if let sum = launch.sum {
      try kernel.setArgument(next, sum[work.states.piece])
      next += 1
    }
    if let average = launch.average {
      try kernel.setArgument(next, average.segments[work.states.piece])
      try kernel.setArgument(next + 1, average.weight)
    }
    return try kernel.enqueue(
      on: queue, global: groups * groupSize, local: groupSize, after: after)
  }

  /// The plan of a kind; the last one is kept, since steps are mostly alike.
  private func makePlan(_ key: DevicePlan.Key, _ shape: LaunchShape) throws -> DevicePlan {
    if let plan, plan.key == key { return plan }
    let made = try DevicePlan(
      layout, key, states: states.counts, shape: shape, context: queue.context)
    plan = made
    return made
  }

  /// The plan of a kind and its kernels, in a shape that the driver allows them.
  private func fit(
    _ key: DevicePlan.Key, _ options: UpdatePrograms.Options
  ) throws -> (DevicePlan, flat: Kernel?, table: Kernel?) {
    var fitted = shape
    defer { shape = fitted }
    return try Descent.fit(&fitted) { shape in
      let plan = try makePlan(key, shape.shape)
      let flat = plan.hasFlat ? try kernel(options, shape.shape) : nil
      let table = plan.hasTables ? try kernel(options.union(.table), plan.tableShape) : nil
      return (plan, flat, table)
    } shrink: { shape, made in
      let built = shape.shape
      var isSmaller = false
      if let flat = made.flat, try shape.shrink(for: flat, of: built) { isSmaller = true }
      if let table = made.table, try shape.shrink(for: table, of: made.0.tableShape) {
        isSmaller = true
      }
      if isSmaller { plan = nil }
      return isSmaller
    }
  }

  private struct KernelKey: Hashable {
    let options: UpdatePrograms.Options
    let shape: LaunchShape
  }

  private func kernel(
    _ options: UpdatePrograms.Options, _ shape: LaunchShape
  ) throws -> Kernel {
    let key = KernelKey(options: options, shape: shape)
    if let kernel = kernels[key] { return kernel }
    let made = try programs.kernel(options, shape)
    kernels[key] = made
    return made
  }

  // MARK: Decisions

  private func makeControl() throws -> DeviceControl {
    if let control { return control }
    let made = try DeviceControl(queue, lossScale: lossScale, state: controlState)
    (control, controlState) = (made, made.state)
    return made
  }

  /// The loss scale in the control block.
  func lossScaleOnDevice() throws -> BufferSlice<Float> {
    let block = try Buffer<Float>(queue.context, retaining: makeControl().state.rawHandle)
    let place =
      (MemoryLayout<descent_control>.offset(of: \.lossScale) ?? 0) / MemoryLayout<Float>.stride
    return try block.slice(place..<place + 1)
  }

  var stepsInFlight: Int { control?.stepsInFlight ?? 0 }

  func collect(wait: Bool) throws -> DecidedSteps {
    guard let control else { return DecidedSteps() }
    if wait { try waitForPending() }
    try markingFailure {
      if let copy = control.blocking { try pending.wait(through: copy) }
      try control.listen()
    }
    return control.collect()
  }

  func setLossScale(_ scale: LossScale?) throws {
    try waitForPending()
    lossScale = scale
    // Whoever was lent the block looks into it already.
    if control == nil && controlState != nil {
      _ = try makeControl()
    } else {
      try control?.setLossScale(scale, on: queue)
    }
  }

  func lastDecision() throws -> StepDecision {
    guard let control else { return StepDecision(descent_control(lossScale: lossScale)) }
    try waitForPending()
    try markingFailure { try control.listen() }
    return StepDecision(control.known)
  }

  func lastHeard() -> StepDecision {
    StepDecision(control?.known ?? descent_control(lossScale: lossScale))
  }

  func log(to logger: Logger?) {
    programs.logger = logger
    norm?.programs.logger = logger
    sum?.logger = logger
  }

  // MARK: States

  func checkEnqueued() throws {
    try queue.requireOwnProcess()
    try markingFailure { try pending.poll() }
  }

  func forgetEnqueued() {
    // Whether one failed no longer matters: the states are replaced.
    try? pending.wait()
    // A control block of its own for what comes; the loss scale stays where it was last heard to be.
    if let control {
      try? control.listen()
      control.deadline = pending.deadline
      lossScale?.scale = Double(control.known.lossScale)
      lossScale?.stepsSinceChange = Int(control.known.grown)
    }
    control = nil
    if pending.isStuck {
      ring?.deadline = pending.deadline
      (ring, carrier) = (nil, nil)
    }
  }

  /// Waits for what was enqueued, and throws ``TornStep`` if any of it failed.
  func waitForPending() throws {
    try queue.requireOwnProcess()
    try markingFailure { try pending.wait() }
  }

  private func markingFailure(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      throw TornStep(underlying: error)
    }
  }
}
#endif
