#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// The rules on an OpenCL device; states live there from birth.
final class OpenCLEngine: Engine {
  let name: String
  let queue: CommandQueue
  private(set) var launchesPerStep = 0

  private let layout: ParameterLayout
  private var programs: UpdatePrograms
  private let cuts: SegmentCuts
  private let states: DeviceStates
  private let shape: LaunchShape
  private let values: GroupValues
  private var ring: ValuesRing?
  private var kernels: [KernelKey: Kernel] = [:]
  private var norm: DeviceNorm?
  private var control: DeviceControl?
  private var lossScale: LossScale?
  private var plan: DevicePlan?
  /// Parameters and gradients of host memory on their way; made by the first such step.
  private var staging: (parameters: [Buffer<Float>], gradients: [Buffer<Float>])?
  /// The latest launch, until it is known to have ended well.
  private var lastStep: Event?

  init(
    _ rule: any UpdateRule, layout: ParameterLayout, queue: CommandQueue, shape: LaunchShape?,
    logger: Logger? = nil
  ) throws {
    let device = queue.device
    let shape = shape ?? LaunchShape(for: device)
    try shape.validate(on: device)
    let compiled = try CompiledRule(rule.kernel)
    self.queue = queue
    self.layout = layout
    self.shape = shape
    programs = UpdatePrograms(rule: compiled, context: queue.context, logger: logger)
    values = GroupValues(compiled, groups: layout.groupNames.count)
    cuts = SegmentCuts(layout, queue.context)
    states = try DeviceStates(rule, cuts, queue: queue)
    name = "opencl (\(device.name), \(shape.lanes) lanes)"
    let plan = try makePlan(
      DevicePlan.Key(parameters: [layout.count], gradients: [layout.count], sets: nil))
    _ = try plan.hasTables ? kernel(.table, plan.tableShape) : kernel([], shape)
  }

  // MARK: Host memory

  /// Host memory is lent to a device that shares it; otherwise it is carried to the device and back.
  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) throws {
    if queue.device.sharesHostMemory {
      let (x, g) = (try lent(parameters), try lent(gradients))
      try enqueueAndFinish(x.map(\.whole), g.map(\.whole), step) {
        for piece in step.zeroes ? x + g : x { try piece.synchronize(on: queue) }
      }
    } else {
      let staging = try self.staging ?? (makeStaging(), makeStaging())
      self.staging = staging
      try carry(parameters, staging.parameters) {
        try $1.write(UnsafeBufferPointer($0), at: $2, on: queue)
      }
      try carry(gradients, staging.gradients) {
        try $1.write(UnsafeBufferPointer($0), at: $2, on: queue)
      }
      var onDevice = step
      onDevice.zeroes = false
      try enqueueAndFinish(
        staging.parameters.map(\.whole), staging.gradients.map(\.whole), onDevice
      ) {
        try carry(parameters, staging.parameters) { try $1.read(into: $0, from: $2, on: queue) }
      }
      if step.zeroes { zero(gradients) }
    }
  }

  /// Zeroes every tensor's gradient in host memory.
  private func zero(_ gradients: HostPieces) {
    let starts = starts(ofPieces: gradients.map(\.count))
    let stretches = layout.stretches()
    for (index, piece) in gradients.enumerated() {
      for stretch in stretches {
        let part = stretch.range.clamped(to: starts[index]..<starts[index + 1])
        if part.isEmpty { continue }
        let memory = piece[part.lowerBound - starts[index]..<part.upperBound - starts[index]]
        memory.update(repeating: 0)
      }
    }
  }

  /// Pieces of host memory as buffers that the context allows.
  private func lent(_ pieces: HostPieces) throws -> [Buffer<Float>] {
    let starts = starts(ofPieces: pieces.map(\.count))
    return try pieces.indices.flatMap { index in
      var start = 0
      return try cuts.counts(of: starts[index]..<starts[index + 1]).map { count in
        defer { start += count }
        let part = pieces[index][start..<start + count]
        return try Buffer(queue.context, lending: UnsafeMutableBufferPointer(rebasing: part))
      }
    }
  }

  private func makeStaging() throws -> [Buffer<Float>] {
    try states.counts.map { try Buffer(queue.context, count: $0) }
  }

  /// Calls `body` with every part of host memory that one buffer answers to, that buffer, and where in
  /// it.
  private func carry(
    _ pieces: HostPieces, _ buffers: [Buffer<Float>],
    _ body: (UnsafeMutableBufferPointer<Float>, Buffer<Float>, Int) throws -> Void
  ) throws {
    let host = starts(ofPieces: pieces.map(\.count))
    let device = starts(ofPieces: buffers.map(\.count))
    for (index, piece) in pieces.enumerated() {
      for (other, buffer) in buffers.enumerated() {
        let part = (host[index]..<host[index + 1]).clamped(to: device[other]..<device[other + 1])
        if part.isEmpty { continue }
        let memory = piece[part.lowerBound - host[index]..<part.upperBound - host[index]]
        try body(
          UnsafeMutableBufferPointer(rebasing: memory), buffer, part.lowerBound - device[other])
      }
    }
  }

  /// Once a launch is enqueued, a failure leaves the states in doubt.
  private func enqueueAndFinish(
    _ parameters: [BufferSlice<Float>], _ gradients: [BufferSlice<Float>], _ step: StepInput,
    _ fetch: () throws -> Void
  ) throws {
    do {
      let event = try enqueue(parameters, gradients, step, after: [])
      do {
        try event.wait()
        try fetch()
      } catch {
        throw TornStep(underlying: error)
      }
    } catch {
      // The memory is the caller's again on return, so nothing may run on it any more.
      try? queue.finish()
      throw error
    }
  }

  // MARK: Launches

  /// Enqueues a step over memory of the device, in pieces, and hands it over at once; does not wait,
  /// but where 32 steps are in flight that the device decides or whose groups it reads.
  func enqueue(
    _ parameters: [BufferSlice<Float>], _ gradients: [BufferSlice<Float>], _ step: StepInput,
    after: [Event]
  ) throws -> Event {
    let launch = try prepare(parameters, gradients, step)
    launchesPerStep = 0
    var hasBegun = false
    do {
      var before = (lastStep.map { [$0] } ?? []) + after
      let slot = try send(step, launch, after: lastStep.map { [$0] } ?? [])
      if let slot { before.append(slot.event) }
      if let norm, let control {
        let scale = Float(step.gradientScale)
        hasBegun = true
        lastStep = try norm.enqueue(
          gradients, scale: scale, state: control.state, on: queue, after: before)
      }
      for work in launch.plan.launches {
        guard
          let event = try enqueue(
            work, launch, parameters[work.parameters.piece], gradients[work.gradients.piece],
            slot: slot?.slot, after: launchesPerStep == 0 && norm == nil ? before : last)
        else { continue }
        launchesPerStep += 1
        hasBegun = true
        // Each launch waits for the one before, so that the last tells of all.
        lastStep = event
        if let slot { ring?.use(slot.slot, until: event) }
      }
      if norm != nil, let control, let lastStep {
        self.lastStep = try control.tell(after: lastStep, on: queue)
      } else if launchesPerStep == 0 {
        lastStep = try queue.marker(after: before)
      }
      try queue.flush()
      guard let lastStep else { return try queue.marker(after: before) }
      return lastStep
    } catch {
      // Also once the device has decided: it counts the step, or its loss scale moves.
      if hasBegun { throw TornStep(underlying: error) }
      throw error
    }
  }

  private var last: [Event] { lastStep.map { [$0] } ?? [] }

  /// A step's launches, and with which kernels.
  private struct Prepared {
    let plan: DevicePlan
    let flat: Kernel?
    let table: Kernel?
    /// Steps that the device may have to choose from: 1 where it does not decide.
    let rows: Int
  }

  /// Makes what a step of this kind over such pieces needs, unless the last step was of the kind.
  private func prepare(
    _ parameters: [BufferSlice<Float>], _ gradients: [BufferSlice<Float>], _ step: StepInput
  ) throws -> Prepared {
    let looks = step.control.looks
    if looks {
      if norm?.control != step.control {
        norm = try DeviceNorm(
          layout, step.control, queue.context, logger: programs.logger)
      }
      try norm?.prepare(pieces: gradients.map(\.count), queue.context)
      control = try control ?? DeviceControl(queue.context, lossScale: lossScale)
    } else {
      norm = nil
    }
    let leftOut = step.control.leftOut
    let hasIdle = !leftOut.isEmpty || step.groups.groups.contains { $0.isFrozen }
    let plan = try makePlan(
      DevicePlan.Key(
        parameters: parameters.map(\.count), gradients: gradients.map(\.count),
        sets: norm?.plan.setOfTensor, leftOut: leftOut,
        onlyTables: looks || step.zeroes && hasIdle))
    let rows = looks ? ValuesRing.slots + 1 : 1
    if plan.hasTables, ring.map({ $0.rows < rows }) ?? true {
      ring = try ValuesRing(queue.context, bytesPerRow: values.memory.count, rows: rows)
    }
    var options: UpdatePrograms.Options = step.zeroes ? .zeroing : []
    let flat = plan.hasFlat ? try kernel(options, shape) : nil
    options.insert(.table)
    if looks { options.insert(.controlled) }
    return Prepared(
      plan: plan, flat: flat, table: plan.hasTables ? try kernel(options, plan.tableShape) : nil,
      rows: looks ? stepsInFlight + 1 : 1)
  }

  /// Writes what the launches need of each group: to the device where a table reads it there.
  private func send(
    _ step: StepInput, _ launch: Prepared, after: [Event]
  ) throws -> (slot: Int, event: Event)? {
    step.write(to: values.memory, stride: values.stride)
    guard launch.plan.hasTables, let ring else { return nil }
    let size = values.memory.count
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
      groups = (count + shape.block - 1) / shape.block
      groupSize = shape.groupSize
      try kernel.setArgument(0, UInt64(count))
      try kernel.setArgument(
        1, bytes: UnsafeRawBufferPointer(start: own.preparation, count: StepInput.preparationSize))
      try kernel.setArgument(
        2,
        bytes: UnsafeRawBufferPointer(
          start: own.scalars, count: values.stride - StepInput.preparationSize - 4))
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
    return try kernel.enqueue(
      on: queue, global: groups * groupSize, local: groupSize, after: after)
  }

  /// The plan of a kind; the last one is kept, since steps are mostly alike.
  private func makePlan(_ key: DevicePlan.Key) throws -> DevicePlan {
    if let plan, plan.key == key { return plan }
    let made = try DevicePlan(
      layout, key, states: states.counts, shape: shape, context: queue.context)
    plan = made
    return made
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

  var stepsInFlight: Int { control?.stepsInFlight ?? 0 }

  func collect(wait: Bool) throws -> DecidedSteps {
    guard let control else { return DecidedSteps() }
    try forgettingFailure { try control.listen(wait: wait) }
    return control.collect()
  }

  func setLossScale(_ scale: LossScale?) throws {
    lossScale = scale
    try control?.setLossScale(scale, on: queue)
  }

  func lastDecision() throws -> StepDecision {
    guard let control else { return StepDecision(descent_control(lossScale: lossScale)) }
    try forgettingFailure { try control.listen(wait: true) }
    return StepDecision(control.known)
  }

  func lastHeard() -> StepDecision {
    StepDecision(control?.known ?? descent_control(lossScale: lossScale))
  }

  func log(to logger: Logger?) { programs.logger = logger }

  // MARK: States

  func checkEnqueued() throws {
    guard let lastStep else { return }
    try forgettingFailure { if try lastStep.isComplete { self.lastStep = nil } }
  }

  func forgetEnqueued() {
    // Whether it failed no longer matters: its states are replaced.
    try? lastStep?.wait()
    lastStep = nil
    // A control block of its own for what comes; the loss scale stays where it was last heard to be.
    if let control {
      try? control.listen(wait: true)
      lossScale?.scale = Double(control.known.lossScale)
      lossScale?.stepsSinceChange = Int(control.known.grown)
    }
    control = nil
  }

  private func forgettingFailure(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      lastStep = nil
      throw TornStep(underlying: error)
    }
  }

  func readState(_ index: Int, _ range: Range<Int>, into destination: UnsafeMutablePointer<Float>)
    throws
  {
    try forgettingFailure { try lastStep?.wait() }
    try states.read(index, range, into: destination, on: queue)
  }

  func writeState(_ index: Int, _ range: Range<Int>, from source: UnsafePointer<Float>) throws {
    try states.write(index, range, from: source, on: queue)
  }
}
#endif
