#if OpenCL
internal import DescentKernels
import OpenCLHost

/// Vectors in host memory that a step carries to the device, and parameters back.
struct CarriedVectors {
  let parameters: HostPieces
  let gradients: HostPieces
  let carrier: HostCarrier
}

/// A step over a device's memory, in one queue: every command waits for the one before.
struct DeviceStepper: Stepper {
  let engine: OpenCLEngine
  let parameters: [BufferSlice<Float>]
  let gradients: [BufferSlice<Float>]
  let host: CarriedVectors?
  /// Whether a failure leaves states in doubt.
  private(set) var hasBegun = false
  /// What the next command waits for.
  private var before: [Event]
  /// By program.
  private var fitted: [DeviceProgram.Fitted] = []
  private var slots: [Int?] = []
  /// Steps that the device may have to choose from: 1 where it does not decide.
  private var rows = 1

  init(
    engine: OpenCLEngine, parameters: [BufferSlice<Float>], gradients: [BufferSlice<Float>],
    after: [Event], host: CarriedVectors?
  ) {
    (self.engine, self.parameters, self.gradients) = (engine, parameters, gradients)
    self.host = host
    before = after
  }

  // MARK: Before the passes

  mutating func prepare(_ step: StepInput) throws {
    let looks = step.control.looks
    try prepareNorm(step)
    let leftOut = step.control.leftOut
    let hasIdle = !leftOut.isEmpty || step.groups.groups.contains { $0.isFrozen }
    let key = DevicePlan.Key(
      parameters: Pieces(counts: parameters.map(\.count)),
      gradients: Pieces(counts: gradients.map(\.count)),
      sets: engine.norm?.plan.setOfTensor, leftOut: leftOut,
      onlyTables: looks || step.zeroes && hasIdle)
    fitted = try engine.own.map {
      let operands = Operand.ofUpdate(
        states: $0.states.count, zeroes: step.zeroes, accumulates: step.accumulates,
        averages: step.average != nil)
      return try $0.fit(
        key, UpdatePrograms.Kind(operands: operands, isControlled: looks),
        states: engine.stateCuts, vectors: engine.vectorPieces)
    }
    for (program, fitted) in zip(engine.own, fitted) where fitted.plan.hasTables {
      try program.makeRing(rows: looks ? ValuesRing.slots + 1 : 1)
    }
    if step.average != nil && engine.average == nil {
      engine.average = try engine.makeVector()
    }
    rows = looks ? engine.stepsInFlight + 1 : 1
    before = engine.pending.last + before
    engine.launchesPerStep = 0
    if let host {
      before += try host.carrier.begin(host.parameters, host.gradients, gradientsFirst: looks)
    }
  }

  private func prepareNorm(_ step: StepInput) throws {
    guard step.control.looks else {
      engine.norm = nil
      return
    }
    let norm: DeviceNorm
    if let last = engine.norm, last.control.takesNorms(like: step.control) {
      norm = last
      norm.control = step.control
    } else {
      norm = try DeviceNorm(
        engine.layout, step.control, engine.queue.context, logger: engine.logger)
    }
    engine.norm = norm
    try norm.prepare(
      Pieces(counts: gradients.map(\.count)),
      sum: step.accumulates ? engine.sum?.vector.pieces : nil, engine.queue.context)
    try engine.makeControl()
  }

  mutating func copyParameters(_ step: StepInput) throws {
    // The device's copy arrives in chunks, with the passes.
    if let host { return try engine.begin(step, with: host.parameters) }
    if let average = engine.average, step.average?.begins == true {
      try average.enqueueCopy(
        engine.layout.occupied, of: parameters, map: average.whole.map, on: engine.queue,
        after: before
      ) { append($0) }
    }
    guard step.statesBegin else { return }
    let programs = engine.programs
    for (index, program) in programs.list.enumerated() {
      for (place, state) in program.states.enumerated() where state.start == .parameters {
        try engine.own[index].states.enqueueCopy(
          programs.stretches(of: index), of: parameters, to: place, map: programs.states[index],
          on: engine.queue, after: before
        ) { append($0) }
      }
    }
  }

  mutating func writeValues(_ step: StepInput) throws {
    let sent = engine.pending.last
    for (program, fitted) in zip(engine.own, fitted) {
      if fitted.plan.hasFlat { program.write(step) }
      guard fitted.plan.hasTables else {
        slots.append(nil)
        continue
      }
      if let user = program.ring?.blocking {
        try engine.markingFailure { try engine.pending.wait(through: user) }
      }
      let slot = try program.send(step, rows: rows, on: engine.queue, after: sent)
      if let slot {
        before.append(slot.event)
        engine.pending.append(awaited: slot.event)
      }
      slots.append(slot?.slot)
    }
  }

  mutating func decide(_ step: StepInput) throws {
    guard let norm = engine.norm, let control = engine.control else { return }
    try norm.enqueue(
      gradients, with: step.accumulates ? engine.sum?.vector.segments[0] : nil,
      scale: Float(step.gradientScale), state: control.state, on: engine.queue, after: before
    ) { append($0) }
    // Once the device has decided: it counts the step, and the loss scale moves.
    hasBegun = true
  }

  // MARK: Passes

  /// Piece by piece of the parameters, and in each program by program: what is carried is fetched
  /// as soon as it is done.
  mutating func run(pass: Int, _ step: StepInput) throws {
    var works = fitted.enumerated().flatMap { index, fitted in
      fitted.plan.launches.map { (program: index, work: $0) }
    }
    // Stable, so that a piece's launches stay in the order of the programs.
    if fitted.count > 1 { works.sort { $0.work.parameters.piece < $1.work.parameters.piece } }
    var rest = works[...]
    while let piece = rest.first?.work.parameters.piece {
      let own = rest.prefix { $0.work.parameters.piece == piece }
      rest = rest.dropFirst(own.count)
      var ready = try host?.carrier.send(piece) ?? []
      var last: Event?
      for (program, work) in own {
        guard let event = try enqueue(work, program, after: before + ready) else { continue }
        engine.launchesPerStep += 1
        hasBegun = true
        append(event)
        if let slot = slots[program] { engine.own[program].ring?.use(slot, until: event) }
        (last, ready) = (event, [])
      }
      if let last { try host?.carrier.fetch(piece, after: last) }
    }
  }

  private func enqueue(
    _ work: DevicePlan.Launch, _ index: Int, after: [Event]
  ) throws -> Event? {
    let (program, fitted) = (engine.own[index], fitted[index])
    let shape = program.shape.shape
    let kernel: Kernel
    let groups: Int
    let groupSize: Int
    var next = 3
    switch work.work {
    case .flat(let count, let group):
      guard let flat = fitted.flat, let own = program.values.layout.of(group) else { return nil }
      kernel = flat
      groups = (count + shape.block - 1) / shape.block
      groupSize = shape.groupSize
      try kernel.setArgument(0, UInt64(count))
      try kernel.setArgument(
        1, bytes: UnsafeRawBufferPointer(start: own.preparation, count: GroupRow.preparationSize))
      try kernel.setArgument(
        2,
        bytes: UnsafeRawBufferPointer(
          start: own.scalars, count: program.values.stride - GroupRow.scalarsOffset))
    case .table(let blocks, let count):
      guard let table = fitted.table, let ring = program.ring, let slot = slots[index] else {
        return nil
      }
      kernel = table
      groups = count
      groupSize = fitted.plan.tableShape.groupSize
      let groupCount = engine.layout.groupNames.count + 1
      try kernel.setArgument(0, blocks)
      try kernel.setArgument(1, ring.buffer)
      try kernel.setArgument(2, UInt32(slot * ring.rows * groupCount))
      if let norm = engine.norm, let control = engine.control {
        try kernel.setArgument(3, UInt32(groupCount))
        try kernel.setArgument(4, control.confirmed)
        try kernel.setArgument(5, control.state)
        try kernel.setArgument(6, norm.coefficients)
        next = 7
      }
    }
    for operand in fitted.operands {
      guard let (memory, offset) = place(operand, work, program) else { return nil }
      try kernel.setArgument(next, memory.buffer)
      try kernel.setArgument(
        next + 1, UInt64(bitPattern: Int64(memory.range.lowerBound + offset)))
      next += 2
    }
    return try kernel.enqueue(
      on: engine.queue, global: groups * groupSize, local: groupSize, after: after)
  }

  /// Where an operand of a launch lies, and what to add to a block's start to be there.
  private func place(
    _ operand: Operand, _ work: DevicePlan.Launch, _ program: DeviceProgram
  ) -> (BufferSlice<Float>, Int)? {
    switch operand.name {
    case .parameters: return (parameters[work.parameters.piece], work.parameters.offset)
    case .gradients: return (gradients[work.gradients.piece], work.gradients.offset)
    case .state(let index):
      let segment = program.states.segments[index][work.states.piece].whole
      // A block of a table says itself where it lies in the states.
      if case .table = work.work { return (segment, 0) }
      return (segment, work.states.offset)
    case .sum, .average:
      let vector = operand.name == .sum ? engine.sum?.vector : engine.average
      return vector.map { ($0.segments[0][work.vectors.piece].whole, work.vectors.offset) }
    }
  }

  mutating func finish(_ step: StepInput) throws -> Event {
    let last: Event
    if engine.norm != nil, let control = engine.control {
      last = try control.tell(after: before, on: engine.queue)
      engine.pending.append(last)
    } else if engine.launchesPerStep > 0, let launched = before.first {
      last = launched
    } else {
      last = try engine.queue.marker(after: before)
      engine.pending.append(last)
    }
    try engine.queue.flush()
    return last
  }

  /// The next command waits for this one, which has waited for all before.
  private mutating func append(_ event: Event) {
    before = [event]
    engine.pending.append(event)
  }
}
#endif
