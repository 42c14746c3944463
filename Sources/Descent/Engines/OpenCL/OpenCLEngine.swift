#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// The rules on an OpenCL device; states live there from birth.
final class OpenCLEngine: Engine {
  let name: String
  let queue: CommandQueue
  private(set) var launchesPerStep = 0

  let programs: RulePrograms
  var layout: ParameterLayout { programs.layout }
  let own: [DeviceProgram]
  /// Of whole vectors: the sum, the average, and what host memory is carried to.
  let cuts: SegmentCuts
  let vectorPieces: Pieces
  /// By program, where states lie and how they are cut.
  private let stateCuts: [(map: StateMap, pieces: Pieces)]
  /// How whole blocks of the first program are launched, as the driver allows.
  var launchShape: LaunchShape { own[0].shape.shape }
  private var logger: Logger?
  private var norm: DeviceNorm?
  /// The sum of gradients, and the average of the parameters, once there are such.
  private var sum: DeviceSum?
  var average: DeviceStates?
  private var control: DeviceControl?
  /// The control block, which stays where it is as long as the engine lives.
  private var controlState: Buffer<descent_control>?
  private var lossScale: LossScale?
  private var plan: DevicePlan?
  /// Elements of host memory that are carried to the device at a time; nil where the device shares
  /// it.
  let chunk: Int?
  /// Made by the first step over host memory that is carried.
  var carrier: HostCarrier?
  var pending = PendingCommands()

  /// - Parameters:
  ///   - shape: the caller's choice, which is refused where the device or a kernel does not allow
  ///     it.
  ///   - tuned: by program, taken without a choice.
  init(
    _ programs: RulePrograms, queue: CommandQueue, shape: LaunchShape?,
    tuned: [LaunchShape?] = [], chunk: Int? = nil, logger: Logger? = nil
  ) throws {
    let device = queue.device
    let shapes = programs.list.indices.map { index in
      shape ?? (tuned.isEmpty ? nil : tuned[index]) ?? LaunchShape(for: device)
    }
    for shape in shapes { try shape.validate(on: device) }
    self.queue = queue
    self.chunk = chunk ?? (device.sharesHostMemory ? nil : HostCarrier.defaultChunk)
    self.programs = programs
    self.logger = logger
    let cuts = SegmentCuts(programs.layout, queue.context)
    self.cuts = cuts
    vectorPieces = cuts.pieces(of: 0..<cuts.count)
    own = try programs.list.indices.map { index in
      try DeviceProgram(
        index, of: programs, shape: FittedShape(shape: shapes[index], isChosen: shape != nil),
        queue: queue, logger: logger)
    }
    stateCuts = zip(programs.states, own).map { ($0, $1.states.pieces) }
    name = "opencl (\(device.name), \(shapes[0].lanes) lanes)"
    for program in own { pending.append(independent: program.states.takeBirths()) }
    let count = programs.layout.count
    for program in own {
      let whole = Pieces(count: count)
      _ = try program.fit(
        DevicePlan.Key(parameters: whole, gradients: whole, sets: nil),
        UpdatePrograms.Kind(operands: Operand.ofUpdate(states: program.states.count)),
        states: stateCuts, vectors: vectorPieces)
    }
  }

  deinit {
    // One deadline for all.
    let deadline = pending.deadline
    for program in own { program.dropRing(deadline: deadline) }
    control?.deadline = deadline
  }

  // MARK: Launches

  /// Enqueues a step over memory of the device, in pieces, and hands it over at once; does not
  /// wait, but where 32 steps are in flight that the device decides or whose groups it reads.
  ///
  /// - Parameter carrier: what carries each piece of parameters there and back, nil if they lie
  ///   there.
  func enqueue(
    _ parameters: [BufferSlice<Float>], _ gradients: [BufferSlice<Float>], _ step: StepInput,
    after: [Event], carrier: HostCarrier? = nil
  ) throws -> Event {
    let launch = try prepare(parameters, gradients, step)
    launchesPerStep = 0
    var hasBegun = false
    do {
      var before = pending.last + after
      // What is carried there in chunks begins by itself.
      if carrier == nil {
        try begin(step, with: parameters, after: before) {
          pending.append($0)
          before = [$0]
        }
      }
      var slots: [Int?] = []
      let sent = pending.last
      for (index, program) in own.enumerated() {
        let slot = try send(step, launch, launch.programs[index].plan, program, after: sent)
        if let slot {
          before.append(slot.event)
          pending.append(awaited: slot.event)
        }
        slots.append(slot?.slot)
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
      // The last launch over the piece of parameters that is under way.
      var ofPiece: Event?
      let works = launch.works
      for (place, item) in works.enumerated() {
        let (index, work) = item
        let piece = work.parameters.piece
        let isFirst = place == 0 || works[place - 1].work.parameters.piece != piece
        if isFirst { ofPiece = nil }
        let ready = isFirst ? try carrier?.send(piece) ?? [] : []
        if let event = try enqueue(
          work, launch, index, parameters[piece], gradients[work.gradients.piece],
          slot: slots[index],
          after: (launchesPerStep == 0 && norm == nil ? before : pending.last) + ready)
        {
          launchesPerStep += 1
          hasBegun = true
          (launched, ofPiece) = (event, event)
          pending.append(event)
          if let slot = slots[index] { own[index].ring?.use(slot, until: event) }
        }
        let isLast = place == works.count - 1 || works[place + 1].work.parameters.piece != piece
        if isLast, let ofPiece { try carrier?.fetch(piece, after: ofPiece) }
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

  /// Enqueues adding a gradient in memory of the device to the sum, or beginning it, and hands it
  /// over at once.
  func enqueueAccumulate(
    _ gradients: [BufferSlice<Float>], begins: Bool, zeroes: Bool, after: [Event]
  ) throws -> Event {
    let sum =
      try self.sum ?? DeviceSum(makeVector(), layout, shape: own[0].shape, logger: logger)
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

  /// Copies the parameters to what begins with this step as a copy of them: the average, and
  /// states.
  private func begin(
    _ step: StepInput, with parameters: [BufferSlice<Float>], after: [Event],
    enqueued: (Event) -> Void
  ) throws {
    var before = after
    func copied(_ event: Event) {
      before = [event]
      enqueued(event)
    }
    if let average, step.average?.begins == true {
      try average.enqueueCopy(
        layout.occupied, of: parameters, map: average.whole.map, on: queue, after: before,
        enqueued: copied)
    }
    guard step.statesBegin else { return }
    for (index, program) in programs.list.enumerated() {
      for (place, state) in program.states.enumerated() where state.start == .parameters {
        try own[index].states.enqueueCopy(
          programs.stretches(of: index), of: parameters, to: place, map: programs.states[index],
          on: queue, after: before, enqueued: copied)
      }
    }
  }

  /// A step's launches, and with which kernels.
  private struct Prepared {
    let programs: [DeviceProgram.Fitted]
    /// The launches of all programs, piece by piece of the parameters.
    let works: [(program: Int, work: DevicePlan.Launch)]
    /// The sum of gradients in segments, where the step takes it along.
    let sum: [Buffer<Float>]?
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
        norm = try DeviceNorm(layout, step.control, queue.context, logger: logger)
      }
      try norm?.prepare(
        Pieces(counts: gradients.map(\.count)), sum: step.accumulates ? sum?.vector.pieces : nil,
        queue.context)
      _ = try makeControl()
    } else {
      norm = nil
    }
    let leftOut = step.control.leftOut
    let hasIdle = !leftOut.isEmpty || step.groups.groups.contains { $0.isFrozen }
    let key = DevicePlan.Key(
      parameters: Pieces(counts: parameters.map(\.count)),
      gradients: Pieces(counts: gradients.map(\.count)),
      sets: norm?.plan.setOfTensor, leftOut: leftOut,
      onlyTables: looks || step.zeroes && hasIdle)
    let fitted = try own.map {
      let operands = Operand.ofUpdate(
        states: $0.states.count, zeroes: step.zeroes, accumulates: step.accumulates,
        averages: step.average != nil)
      return try $0.fit(
        key, UpdatePrograms.Kind(operands: operands, isControlled: looks), states: stateCuts,
        vectors: vectorPieces)
    }
    for (program, fitted) in zip(own, fitted) where fitted.plan.hasTables {
      try program.makeRing(rows: looks ? ValuesRing.slots + 1 : 1)
    }
    if step.average != nil && average == nil {
      average = try makeVector()
    }
    var works = fitted.enumerated().flatMap { index, fitted in
      fitted.plan.launches.map { (program: index, work: $0) }
    }
    // Stable, so that a piece's launches stay in the order of the programs.
    if fitted.count > 1 { works.sort { $0.work.parameters.piece < $1.work.parameters.piece } }
    return Prepared(
      programs: fitted, works: works, sum: step.accumulates ? sum?.vector.segments[0] : nil,
      rows: looks ? stepsInFlight + 1 : 1)
  }

  /// Writes what a program's launches need of each group: to the device where a table reads it
  /// there.
  private func send(
    _ step: StepInput, _ launch: Prepared, _ plan: DevicePlan, _ program: DeviceProgram,
    after: [Event]
  ) throws -> (slot: Int, event: Event)? {
    if plan.hasFlat { program.write(step) }
    guard plan.hasTables else { return nil }
    if let user = program.ring?.blocking {
      try markingFailure { try pending.wait(through: user) }
    }
    return try program.send(step, rows: launch.rows, on: queue, after: after)
  }

  private func enqueue(
    _ work: DevicePlan.Launch, _ launch: Prepared, _ index: Int,
    _ parameters: BufferSlice<Float>, _ gradients: BufferSlice<Float>, slot: Int?, after: [Event]
  ) throws -> Event? {
    let (program, fitted) = (own[index], launch.programs[index])
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
      guard let table = fitted.table, let ring = program.ring, let slot else { return nil }
      kernel = table
      groups = count
      groupSize = fitted.plan.tableShape.groupSize
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
    for operand in fitted.operands {
      let memory: BufferSlice<Float>
      let offset: Int
      switch operand.name {
      case .parameters: (memory, offset) = (parameters, work.parameters.offset)
      case .gradients: (memory, offset) = (gradients, work.gradients.offset)
      case .state(let index):
        memory = program.states.segments[index][work.states.piece].whole
        // A block of a table says itself where it lies in the states.
        if case .table = work.work { offset = 0 } else { offset = work.states.offset }
      case .sum, .average:
        guard let vector = operand.name == .sum ? sum?.vector : average else { return nil }
        (memory, offset) = (vector.segments[0][work.vectors.piece].whole, work.vectors.offset)
      }
      try kernel.setArgument(next, memory.buffer)
      try kernel.setArgument(
        next + 1, UInt64(bitPattern: Int64(memory.range.lowerBound + offset)))
      next += 2
    }
    return try kernel.enqueue(
      on: queue, global: groups * groupSize, local: groupSize, after: after)
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
    self.logger = logger
    for program in own { program.logger = logger }
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
    // A control block of its own for what comes; the loss scale stays where it was last heard to
    // be.
    if let control {
      try? control.listen()
      control.deadline = pending.deadline
      lossScale?.scale = Double(control.known.lossScale)
      lossScale?.stepsSinceChange = Int(control.known.grown)
    }
    control = nil
    if pending.isStuck {
      for program in own { program.dropRing(deadline: pending.deadline) }
      carrier = nil
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
