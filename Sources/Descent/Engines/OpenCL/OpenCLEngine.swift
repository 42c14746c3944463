#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// The rules on an OpenCL device. States are created and stored on the device.
final class OpenCLEngine: Engine {
  let name: String
  let queue: CommandQueue
  var launchesPerStep = 0

  let programs: RulePrograms
  var layout: ParameterLayout { programs.layout }
  let own: [DeviceProgram]
  /// Of whole vectors: the sum, the average, and the device copies of host memory.
  let cuts: SegmentCuts
  let vectorPieces: Pieces
  /// By program, the map of the states and how they are cut.
  let stateCuts: [(map: StateMap, pieces: Pieces)]
  /// How whole blocks of the first program are launched, as the driver allows.
  var launchShape: LaunchShape { own[0].shape.shape }
  private(set) var logger: Logger?
  var norm: DeviceNorm?
  /// The sum of gradients, and the average of the parameters, once there are such.
  private(set) var sum: DeviceSum?
  var average: DeviceStates?
  /// What the parameters' storage keeps of them.
  let companion: DeviceStates?
  /// The terms of a pass that does not sum them itself, each a vector; allocated when first needed.
  var terms: DeviceStates?
  /// Of passes over matrices.
  let matrices: DeviceMatrixMemory?
  private(set) var control: DeviceControl?
  /// The control block, whose address does not change while the engine exists.
  private var controlState: Buffer<descent_control>?
  private var lossScale: LossScale?
  /// Elements of host memory that are copied to the device at a time; nil if the device shares it.
  let chunk: Int?
  /// Made by the first step that copies host memory to the device.
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
    let cuts = SegmentCuts(
      programs.layout, queue.context, keepsTensors: programs.sumsLines)
    self.cuts = cuts
    vectorPieces = cuts.pieces(of: 0..<cuts.count)
    try Self.checkLines(programs, vectorPieces, device)
    companion = try programs.storage.companion.map {
      try DeviceStates([0], type: $0.type, cuts, queue: queue)
    }
    matrices = try DeviceMatrixMemory(programs, queue.context, logger: logger)
    own = try programs.list.indices.map { index in
      try DeviceProgram(
        index, of: programs, shape: FittedShape(shape: shapes[index], isChosen: shape != nil),
        queue: queue, logger: logger)
    }
    stateCuts = zip(programs.states, own).map { ($0, $1.states.pieces) }
    try Self.checkMatrices(programs, stateCuts.map(\.pieces), device)
    name = "opencl (\(device.name), \(shapes[0].lanes) lanes)"
    for program in own { pending.append(independent: program.takeBirths()) }
    if let companion { pending.append(independent: companion.takeBirths()) }
    let whole = Pieces(count: programs.layout.count)
    let key = DevicePlan.Key(
      parameters: whole, gradients: whole, sets: nil,
      isFrozen: programs.layout.groupNames.map { _ in false })
    for pass in own.flatMap(\.passes) {
      _ = try pass.fit(
        key, Beside(), isControlled: false, states: stateCuts, vectors: vectorPieces)
    }
  }

  /// Throws where a rule sums over rows or columns of a tensor that no allocation holds.
  private static func checkLines(
    _ programs: RulePrograms, _ pieces: Pieces, _ device: Device
  ) throws {
    guard programs.sumsLines else { return }
    for tensor in programs.layout.tensors where tensor.count > 0 {
      let piece = pieces.indices.partitioningIndex {
        pieces[$0].upperBound > tensor.range.lowerBound
      }
      guard tensor.range.upperBound <= pieces[piece].upperBound else {
        throw DescentError.unsupported(
          "sums over rows or columns of \"\(tensor.name)\", which is longer than the largest "
            + "allocation of \(device.name)")
      }
    }
  }

  /// Throws where a rule for matrices has one that no allocation holds.
  private static func checkMatrices(
    _ programs: RulePrograms, _ pieces: [Pieces], _ device: Device
  ) throws {
    for (index, pieces) in pieces.enumerated() where pieces.indices.count > 1 {
      for matrix in programs.matrices(of: index) {
        let piece = pieces.indices.partitioningIndex { pieces[$0].upperBound > matrix.start }
        guard matrix.start + matrix.count <= pieces[piece].upperBound else {
          throw DescentError.unsupported(
            "a matrix of \(matrix.rows) × \(matrix.columns), which is longer than the largest "
              + "allocation of \(device.name)")
        }
      }
    }
  }

  deinit {
    // One deadline for all.
    let deadline = pending.deadline
    for program in own { program.dropRing(deadline: deadline) }
    control?.deadline = deadline
  }

  // MARK: Launches

  /// Enqueues a step over memory of the device, in pieces, and flushes it. Does not wait, unless 32
  /// steps are in flight that the device decides or whose groups it reads.
  ///
  /// - Parameter host: copies host memory to these pieces and back; nil if these are the caller's
  ///   vectors.
  func enqueue(
    _ parameters: [DeviceSlice], _ gradients: [DeviceSlice], _ step: StepInput, after: [Event],
    from host: CarriedVectors? = nil
  ) throws -> Event {
    var stepper = DeviceStepper(
      engine: self, parameters: parameters, gradients: gradients, after: after, host: host)
    do {
      return try stepper.take(step)
    } catch {
      if stepper.hasBegun { throw TornStep(underlying: error) }
      throw error
    }
  }

  /// Enqueues adding a gradient in memory of the device to the sum, or starting the sum with it,
  /// and flushes.
  func enqueueAccumulate(
    _ gradients: [DeviceSlice], begins: Bool, zeroes: Bool, after: [Event]
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

  func makeVector() throws -> DeviceStates { try makeVectors(1) }

  func makeVectors(_ count: Int) throws -> DeviceStates {
    let vector = try DeviceStates(Array(repeating: 0, count: count), cuts, queue: queue)
    pending.append(independent: vector.takeBirths())
    return vector
  }

  // MARK: Decisions

  @discardableResult
  func makeControl() throws -> DeviceControl {
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
    // A caller may already hold the slice of `deviceLossScale` in this block.
    if control == nil && controlState != nil {
      try makeControl()
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
    // The next steps get a new `DeviceControl` over the same memory. The loss scale keeps the last
    // value that was read.
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

  func markingFailure(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      throw TornStep(underlying: error)
    }
  }
}
#endif
