#if OpenCL
import OpenCLHost

/// The rules on an OpenCL device; states live there from birth.
final class OpenCLEngine: Engine {
  let name: String
  let queue: CommandQueue
  private(set) var launchesPerStep = 0

  private let layout: ParameterLayout
  private let programs: UpdatePrograms
  private let states: DeviceStates
  private let shape: LaunchShape
  private let values: GroupValues
  private var ring: ValuesRing?
  private var flatKernel: Kernel?
  private var tableKernel: Kernel?
  private var plan: DevicePlan?
  /// Parameters and gradients of host memory on their way; made by the first such step.
  private var staging: (parameters: [Buffer<Float>], gradients: [Buffer<Float>])?
  /// The latest launch, until it is known to have ended well.
  private var lastStep: Event?

  init(
    _ rule: any UpdateRule, layout: ParameterLayout, queue: CommandQueue, shape: LaunchShape?
  ) throws {
    let device = queue.device
    let shape = shape ?? LaunchShape(for: device)
    try shape.validate(on: device)
    let compiled = try CompiledRule(rule.kernel)
    self.queue = queue
    self.layout = layout
    self.shape = shape
    programs = UpdatePrograms(rule: compiled, context: queue.context, shape: shape)
    values = GroupValues(compiled, groups: layout.groupNames.count)
    states = try DeviceStates(rule, count: layout.count, queue: queue)
    name = "opencl (\(device.name), \(shape.lanes) lanes)"
    try makeKernels(for: makePlan(parameters: [layout.count], gradients: [layout.count]))
  }

  // MARK: Host memory

  /// Host memory is lent to a device that shares it; otherwise it is carried to the device and back.
  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) throws {
    if queue.device.sharesHostMemory {
      let x = try parameters.flatMap(lent)
      let g = try gradients.flatMap(lent)
      try enqueueAndFinish(x.map(\.whole), g.map(\.whole), step) {
        for piece in x { try piece.synchronize(on: queue) }
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
      try enqueueAndFinish(
        staging.parameters.map(\.whole), staging.gradients.map(\.whole), step
      ) {
        try carry(parameters, staging.parameters) { try $1.read(into: $0, from: $2, on: queue) }
      }
    }
  }

  /// A piece of host memory as buffers that the context allows.
  private func lent(_ piece: UnsafeMutableBufferPointer<Float>) throws -> [Buffer<Float>] {
    var start = 0
    return try DeviceStates.counts(piece.count, in: queue.context).map { count in
      defer { start += count }
      return try Buffer(
        queue.context, lending: UnsafeMutableBufferPointer(rebasing: piece[start..<start + count]))
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

  /// Enqueues a step over memory of the device, in pieces, and hands it over at once; does not wait.
  func enqueue(
    _ parameters: [BufferSlice<Float>], _ gradients: [BufferSlice<Float>], _ step: StepInput,
    after: [Event]
  ) throws -> Event {
    let plan = try makePlan(
      parameters: parameters.map(\.count), gradients: gradients.map(\.count))
    try makeKernels(for: plan)
    launchesPerStep = 0
    do {
      let sent = try send(step, plan)
      for launch in plan.launches {
        var events = lastStep.map { [$0] } ?? []
        if launchesPerStep == 0 { events += after + (sent.map { [$0.event] } ?? []) }
        guard
          let event = try enqueue(
            launch, parameters[launch.parameters.piece], gradients[launch.gradients.piece],
            slot: sent?.slot, after: events)
        else { continue }
        launchesPerStep += 1
        // Each launch waits for the one before, so that the last tells of all.
        lastStep = event
        if let sent { ring?.use(sent.slot, until: event) }
      }
      let event = try launchesPerStep == 0 ? queue.marker(after: after) : lastStep
      try queue.flush()
      guard let event else { return try queue.marker() }
      return event
    } catch {
      if launchesPerStep > 0 { throw TornStep(underlying: error) }
      throw error
    }
  }

  /// Writes what the launches need of each group: to the device where a table reads it there.
  private func send(_ step: StepInput, _ plan: DevicePlan) throws -> (slot: Int, event: Event)? {
    step.write(to: values.memory, stride: values.stride)
    guard plan.hasTables, let ring else { return nil }
    return try ring.send(on: queue, after: lastStep.map { [$0] } ?? []) {
      $0.copyMemory(from: UnsafeRawBufferPointer(values.memory))
    }
  }

  private func enqueue(
    _ launch: DevicePlan.Launch, _ parameters: BufferSlice<Float>,
    _ gradients: BufferSlice<Float>, slot: Int?, after: [Event]
  ) throws -> Event? {
    let kernel: Kernel
    let groups: Int
    switch launch.work {
    case .flat(let count, let group):
      guard let flatKernel, let own = values.layout.of(group) else { return nil }
      kernel = flatKernel
      groups = (count + shape.block - 1) / shape.block
      try kernel.setArgument(0, UInt64(count))
      try kernel.setArgument(
        1, bytes: UnsafeRawBufferPointer(start: own.preparation, count: StepInput.preparationSize))
      try kernel.setArgument(
        2,
        bytes: UnsafeRawBufferPointer(
          start: own.scalars, count: values.stride - StepInput.preparationSize - 4))
    case .table(let blocks, let count):
      guard let tableKernel, let ring, let slot else { return nil }
      kernel = tableKernel
      groups = count
      try kernel.setArgument(0, blocks)
      try kernel.setArgument(1, ring.buffer)
      try kernel.setArgument(2, UInt32(slot * layout.groupNames.count))
    }
    try kernel.setArgument(3, parameters.buffer)
    try kernel.setArgument(
      4, UInt64(bitPattern: Int64(parameters.range.lowerBound + launch.parameters.offset)))
    try kernel.setArgument(5, gradients.buffer)
    try kernel.setArgument(
      6, UInt64(bitPattern: Int64(gradients.range.lowerBound + launch.gradients.offset)))
    try kernel.setArgument(7, UInt64(bitPattern: Int64(launch.states.offset)))
    for (index, state) in states.segments.enumerated() {
      try kernel.setArgument(8 + index, state[launch.states.piece])
    }
    return try kernel.enqueue(
      on: queue, global: groups * shape.groupSize, local: shape.groupSize, after: after)
  }

  /// The plan for pieces of these lengths; the last one is kept, since steps are mostly alike.
  private func makePlan(parameters: [Int], gradients: [Int]) throws -> DevicePlan {
    if let plan, plan.parameters == parameters, plan.gradients == gradients { return plan }
    let made = try DevicePlan(
      layout.stretches, parameters: parameters, gradients: gradients, states: states.counts,
      block: shape.block, context: queue.context)
    plan = made
    return made
  }

  private func makeKernels(for plan: DevicePlan) throws {
    if plan.hasTables, tableKernel == nil {
      ring = try ValuesRing(queue.context, bytesPerSlot: values.memory.count)
      tableKernel = try programs.kernel(table: true)
    }
    if plan.hasFlat, flatKernel == nil { flatKernel = try programs.kernel(table: false) }
  }

  // MARK: States

  func checkEnqueued() throws {
    guard let lastStep else { return }
    try forgettingFailure { if try lastStep.isComplete { self.lastStep = nil } }
  }

  func forgetEnqueued() {
    // Whether it failed no longer matters: its states are replaced.
    try? lastStep?.wait()
    lastStep = nil
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
