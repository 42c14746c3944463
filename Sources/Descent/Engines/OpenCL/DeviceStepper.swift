#if OpenCL
internal import DescentKernels
import OpenCLHost

/// Vectors in host memory that a step copies to the device, with the parameters copied back.
struct CarriedVectors {
  let parameters: HostPieces
  let gradients: HostPieces
  let carrier: HostCarrier
}

/// A step over a device's memory, in one queue: every command waits for the one before.
struct DeviceStepper: Stepper {
  let engine: OpenCLEngine
  let parameters: [DeviceSlice]
  let gradients: [DeviceSlice]
  let host: CarriedVectors?
  /// Whether a failure leaves states in doubt.
  private(set) var hasBegun = false
  /// What the next command waits for.
  private var before: [Event]
  /// By program and pass.
  private var fitted: [[DevicePass.Fitted]] = []
  private var slots: [Int?] = []
  /// Steps that the device may have to choose from: 1 where it does not decide.
  private var rows = 1

  init(
    engine: OpenCLEngine, parameters: [DeviceSlice], gradients: [DeviceSlice], after: [Event],
    host: CarriedVectors?
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
      isFrozen: step.groups.groups.map(\.isFrozen),
      onlyTables: looks || step.zeroes && hasIdle)
    let beside = Beside(
      gradientType: gradients.elementType, zeroes: step.zeroes, accumulates: step.accumulates,
      averages: step.average != nil)
    fitted = try engine.own.map {
      try $0.passes.map {
        try $0.fit(
          key, beside, isControlled: looks, states: engine.stateCuts,
          vectors: engine.vectorPieces)
      }
    }
    for (program, fitted) in zip(engine.own, fitted)
    where fitted.contains(where: \.plan.hasTables) {
      try program.makeRing(rows: looks ? ValuesRing.slots + 1 : 1)
    }
    try prepareBetween(step)
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
      Pieces(counts: gradients.map(\.count)), of: gradients.elementType,
      sum: step.accumulates ? engine.sum?.vector.pieces : nil, engine.queue.context)
    try engine.makeControl()
  }

  /// Makes what sums the terms of passes and iterates matrices, unless the last step had the same.
  private func prepareBetween(_ step: StepInput) throws {
    let (programs, context) = (engine.programs, engine.queue.context)
    guard programs.passCount > 1 else { return }
    let stored =
      zip(programs.list, fitted).flatMap { program, fitted in
        zip(program.passes, fitted).map { $1.isFused ? 0 : $0.termCount }
      }.max() ?? 0
    if stored > engine.terms?.segments.count ?? 0 {
      engine.terms = try engine.makeVectors(stored)
    }
    let kind = DeviceStepKind(step)
    for (index, program) in engine.own.enumerated() {
      for (place, pass) in program.passes.enumerated() {
        let tiles = fitted[index][place].plan.tileStarts
        if case .sums = pass.work, pass.sums?.kind != kind || pass.sums?.tileStarts != tiles {
          pass.sums = try DeviceSums(
            programs, program: index, pass: place, kind, pieces: engine.vectorPieces,
            tileStarts: tiles, numbers: { program.numbers[$0] }, context, logger: engine.logger)
        }
        if pass.isIteration, pass.matrices?.kind != kind {
          pass.matrices = try DeviceMatrices(
            programs, program: index, pass: place, kind, pieces: program.states.pieces,
            state: { state in
              programs.list[index].elements.firstIndex(of: state).map {
                program.states.segments[$0]
              }
            }, numbers: { program.numbers[$0] }, memory: engine.matrices, context,
            logger: engine.logger)
        }
      }
    }
  }

  mutating func copyParameters(_ step: StepInput) throws {
    // Host memory is uploaded in chunks, during the first pass.
    if let host { return try engine.begin(step, with: host.parameters) }
    if engine.companion != nil { return try engine.begin(step, with: parameters, after: before) }
    if let average = engine.average, step.average?.begins == true {
      try average.enqueueCopy(
        engine.layout.occupied, of: parameters, map: average.whole.map, on: engine.queue,
        after: before
      ) { append($0) }
    }
    guard step.statesBegin else { return }
    let programs = engine.programs
    for (index, program) in programs.list.enumerated() {
      for (place, state) in program.elements.enumerated()
      where program.states[state].start == .parameters {
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
      if fitted.contains(where: \.plan.hasFlat) { program.write(step) }
      guard fitted.contains(where: \.plan.hasTables) else {
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

  /// Loops over the pieces of the parameters, and in each over the programs. Host memory is
  /// uploaded with the first pass, and a piece is downloaded as soon as the last pass has finished
  /// it.
  mutating func run(pass: Int, _ step: StepInput) throws {
    let works = works(ofPass: pass)
    var rest = works[...]
    for piece in pieces(ofPass: pass, works) {
      let own = rest.prefix { $0.work.parameters.piece == piece }
      rest = rest.dropFirst(own.count)
      if pass == 0, let host { before += try host.carrier.send(piece) }
      var last: Event?
      for (program, work) in own {
        last = try launch(work, program, pass) ?? last
      }
      try fetch(piece, after: last, pass)
    }
    for (index, program) in engine.own.enumerated() where pass < program.passes.count {
      if case .numbers = program.passes[pass].work {
        for work in fitted[index][pass].plan.launches { _ = try launch(work, index, pass) }
      }
      try program.passes[pass].sums?.enqueue(
        engine.terms?.segments ?? [], control: engine.norm == nil ? nil : engine.control?.state,
        on: engine.queue, after: before
      ) { append($0) }
      try program.passes[pass].matrices?.enqueue(
        control: engine.norm == nil ? nil : engine.control?.state, on: engine.queue, after: before
      ) { append($0) }
    }
  }

  /// The launches over elements, in the order of the pieces.
  private func works(ofPass pass: Int) -> [(program: Int, work: DevicePlan.Launch)] {
    var works: [(program: Int, work: DevicePlan.Launch)] = []
    for (index, program) in engine.own.enumerated() where pass < program.passes.count {
      if case .numbers = program.passes[pass].work { continue }
      works += fitted[index][pass].plan.launches.map { (index, $0) }
    }
    // Stable, so that a piece's launches stay in the order of the programs.
    if fitted.count > 1 { works.sort { $0.work.parameters.piece < $1.work.parameters.piece } }
    return works
  }

  /// The pieces of a pass in order: with host memory that is transferred, all that any pass works
  /// on.
  private func pieces(
    ofPass pass: Int, _ works: [(program: Int, work: DevicePlan.Launch)]
  ) -> [Int] {
    let passes = 0..<engine.programs.passCount
    if works.count == 1 && passes.count == 1 { return [works[0].work.parameters.piece] }
    let all =
      host == nil || passes.count == 1
      ? works : passes.flatMap { self.works(ofPass: $0) }
    return Set(all.map(\.work.parameters.piece)).sorted()
  }

  private mutating func launch(
    _ work: DevicePlan.Launch, _ program: Int, _ pass: Int
  ) throws -> Event? {
    guard let event = try enqueue(work, program, pass, after: before) else { return nil }
    engine.launchesPerStep += 1
    hasBegun = true
    append(event)
    if let slot = slots[program] { engine.own[program].ring?.use(slot, until: event) }
    return event
  }

  /// Downloads a piece of transferred host memory after its last launch.
  private func fetch(_ piece: Int, after launched: Event?, _ pass: Int) throws {
    let count = engine.programs.passCount
    guard let host, pass == count - 1 else { return }
    // With several passes an earlier one may have been the piece's last.
    guard let event = launched ?? (count > 1 && hasBegun ? before.first : nil) else { return }
    try host.carrier.fetch(piece, after: event, isAlone: count > 1)
  }

  private func enqueue(
    _ work: DevicePlan.Launch, _ index: Int, _ pass: Int, after: [Event]
  ) throws -> Event? {
    let (program, fitted) = (engine.own[index], fitted[index][pass])
    let shape = program.passes[pass].shape.shape
    var places: Buffer<descent_place>?
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
    case .table(let blocks, let own, let count):
      places = own
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
      if fitted.isFused, case .term(let term) = operand.name {
        // Without a sum there is no active tensor, and the kernel writes nothing.
        guard let partials = program.passes[pass].sums?.partials(ofTerm: term) else { return nil }
        try kernel.setArgument(next, partials)
        try kernel.setArgument(next + 1, UInt64(2 * work.firstTile))
        next += 2
        continue
      }
      guard let (memory, offset) = place(operand, work, index) else { return nil }
      try kernel.setArgument(next, memory.buffer)
      try kernel.setArgument(
        next + 1, UInt64(bitPattern: Int64(memory.range.lowerBound + offset)))
      next += 2
    }
    if let places {
      try kernel.setArgument(next, places)
      for state in fitted.numbers {
        guard let numbers = program.numbers[state] else { return nil }
        next += 1
        try kernel.setArgument(next, numbers.buffer)
      }
    }
    return try kernel.enqueue(
      on: engine.queue, global: groups * groupSize, local: groupSize, after: after)
  }

  /// The slice of a launch's operand, and the offset to add to a block's start.
  private func place(
    _ operand: Operand, _ work: DevicePlan.Launch, _ index: Int
  ) -> (DeviceSlice, Int)? {
    let program = engine.own[index]
    switch operand.name {
    case .parameters: return (parameters[work.parameters.piece], work.parameters.offset)
    case .gradients: return (gradients[work.gradients.piece], work.gradients.offset)
    case .state(let state):
      let elements = engine.programs.list[index].elements
      guard let place = elements.firstIndex(of: state) else { return nil }
      let segment = program.states.segments[place][work.states.piece]
      // A block of a table holds its own position in the states.
      if case .table = work.work { return (segment, 0) }
      return (segment, work.states.offset)
    case .number(let state): return program.numbers[state].map { ($0, 0) }
    case .term(let term):
      return engine.terms.map {
        ($0.segments[term][work.vectors.piece], work.vectors.offset)
      }
    case .remainder, .master, .sum, .average:
      let vector =
        switch operand.name {
        case .remainder, .master: engine.companion
        case .sum: engine.sum?.vector
        default: engine.average
        }
      return vector.map { ($0.segments[0][work.vectors.piece], work.vectors.offset) }
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
