#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// One of a step's programs on a device: its states, its passes, and what these need of each group.
final class DeviceProgram {
  /// Those of the parameters' shape.
  let states: DeviceStates
  /// Those of other shapes, by their places among the rule's states.
  let numbers: [Int: DeviceSlice]
  let values: GroupValues
  let passes: [DevicePass]
  /// Of whole blocks, as the driver allows the last pass.
  var shape: FittedShape { passes[passes.count - 1].shape }
  private(set) var ring: ValuesRing?
  private let index: Int
  private let context: Context
  private var births: [Event] = []

  init(
    _ index: Int, of all: RulePrograms, shape: FittedShape, queue: CommandQueue, logger: Logger?
  ) throws {
    let program = all.list[index]
    (self.index, context) = (index, queue.context)
    passes = try program.passes.indices.map {
      try DevicePass($0, of: index, in: all, shape: shape, context: queue.context, logger: logger)
    }
    values = GroupValues(
      try CompiledRule(program.last), groups: all.layout.groupNames.count)
    states = try DeviceStates(
      program.elements.map { program.states[$0].initialValue },
      SegmentCuts(
        all.states[index], all.layout.tensors.filter { all.program(of: $0) == index },
        queue.context, keepsTensors: program.needsMatrices),
      queue: queue)
    var births = states.takeBirths()
    numbers = try Dictionary(
      uniqueKeysWithValues: program.numbers.map { state in
        if let counts = all.counts(ofState: state, in: index), !counts.isEmpty {
          return (
            state, DeviceSlice(try Buffer(queue.context, copying: counts).whole, of: .float32)
          )
        }
        let memory = try DeviceSlice(
          .float32, count: all.count(ofState: state, in: index), in: queue.context)
        births.append(try memory.fill(with: program.states[state].initialValue, on: queue))
        return (state, memory)
      })
    self.births = births
  }

  /// The commands that fill the states, for the first use to wait for; none the next time.
  func takeBirths() -> [Event] {
    defer { births = [] }
    return births
  }

  var logger: Logger? {
    didSet { for pass in passes { pass.logger = logger } }
  }

  // MARK: Values

  /// Makes room for the values of so many steps that may come.
  func makeRing(rows: Int) throws {
    if ring.map({ $0.rows < rows }) ?? true {
      ring = try ValuesRing(context, bytesPerRow: values.memory.count, rows: rows)
    }
  }

  func dropRing(deadline: ContinuousClock.Instant?) {
    ring?.deadline = deadline
    ring = nil
  }

  /// Writes the values of a flat launch.
  func write(_ step: StepInput) {
    step.write(to: values.memory, stride: values.stride, program: index)
  }

  /// Sends the values of the next `rows` steps to the device.
  func send(
    _ step: StepInput, rows: Int, on queue: CommandQueue, after: [Event]
  ) throws -> (slot: Int, event: Event)? {
    guard let ring else { return nil }
    let size = values.memory.count
    return try ring.send(rows * size, on: queue, after: after) { memory in
      for row in 0..<rows {
        step.write(
          to: UnsafeMutableRawBufferPointer(rebasing: memory[row * size..<(row + 1) * size]),
          stride: values.stride, program: index, later: row)
      }
    }
  }
}

/// A pass of a program on a device: its plan, and its kernels in the shapes that the driver allows.
final class DevicePass {
  private(set) var shape: FittedShape
  var sums: DeviceSums?
  var matrices: DeviceMatrices?
  private let index: Int
  private let program: Int
  private let all: RulePrograms
  /// nil for a pass over matrices.
  private var programs: UpdatePrograms?
  private let context: Context
  private var kernels: [KernelKey: Kernel] = [:]
  private var plan: DevicePlan?
  /// What the last step was fitted to, and the result.
  private var last: (key: DevicePlan.Key, beside: Beside, isControlled: Bool, fitted: Fitted)?

  private struct KernelKey: Hashable {
    let kind: UpdatePrograms.Kind
    let shape: LaunchShape
  }

  /// A plan and its kernels; without launches for a pass over matrices.
  struct Fitted {
    let plan: DevicePlan
    let operands: [Operand]
    /// The states of other shapes that a table's kernel takes.
    let numbers: [Int]
    let flat: Kernel?
    let table: Kernel?

    /// Whether the kernel sums its terms itself.
    var isFused: Bool { !plan.tileStarts.isEmpty }
  }

  init(
    _ index: Int, of program: Int, in all: RulePrograms, shape: FittedShape, context: Context,
    logger: Logger?
  ) throws {
    (self.index, self.program, self.all, self.shape) = (index, program, all, shape)
    self.context = context
    let pass = all.list[program].passes[index]
    if pass.isIteration { return }
    programs = UpdatePrograms(rule: try CompiledRule(pass), context: context, logger: logger)
  }

  var logger: Logger? {
    get { programs?.logger }
    set { programs?.logger = newValue }
  }

  var work: RulePass.Work { all.list[program].passes[index].work }
  var isIteration: Bool { all.list[program].passes[index].isIteration }

  /// Returns the plan and kernels for this configuration. The last plan is reused if the key is
  /// unchanged, as it mostly is.
  ///
  /// - Parameters:
  ///   - states: by program, the map of the states and how they are cut.
  ///   - vectors: how a whole vector is cut.
  func fit(
    _ key: DevicePlan.Key, _ beside: Beside, isControlled: Bool,
    states: [(map: StateMap, pieces: Pieces)], vectors: Pieces
  ) throws -> Fitted {
    let own = all.list[program]
    var key = key
    // A plan over elements is the same whatever is frozen: kernels read that from the groups' rows.
    if own.passes[index].shape == .parameter { key.isFrozen = [] }
    if let last, last.isControlled == isControlled, last.beside == beside, last.key == key {
      return last.fitted
    }
    let numbers = own.numbers(ofPass: index)
    var fitted = shape
    defer { shape = fitted }
    let made = try Descent.fit(&fitted) { shape in
      let plan =
        if let plan, plan.key == key { plan } else {
          try makePlan(key, states: states, vectors: vectors, shape: shape.shape)
        }
      self.plan = plan
      let kind = UpdatePrograms.Kind(
        operands: own.operands(ofPass: index, beside),
        numbers: numbers.map { own.states[$0].shape }, isControlled: isControlled,
        fused: plan.tileStarts.isEmpty
          ? [] : own.passes[index].sums.map(\.reduction.isOfSquares))
      return Fitted(
        plan: plan, operands: kind.operands, numbers: numbers,
        flat: plan.hasFlat ? try kernel(kind, shape.shape) : nil,
        table: plan.hasTables ? try kernel(kind.overTable, plan.tableShape) : nil)
    } shrink: { shape, made in
      let built = shape.shape
      var isSmaller = false
      if let flat = made.flat, try shape.shrink(for: flat, of: built) { isSmaller = true }
      if let table = made.table, try shape.shrink(for: table, of: made.plan.tableShape) {
        isSmaller = true
      }
      if isSmaller { plan = nil }
      return isSmaller
    }
    last = (key, beside, isControlled, made)
    return made
  }

  /// Whether the pass may sum its terms itself: on a processor, over tiles that fit in local memory
  /// and do not have to be cut into rows.
  private var fusesSums: Bool {
    let own = all.list[program]
    let bytes = own.passes[index].sums.count * Tile.length * MemoryLayout<Float>.stride
    return own.sumsTiles(ofPass: index) && own.cut != .row && context.device.type.contains(.cpu)
      && bytes <= context.device.localMemory
  }

  /// The elements of a fused pass by tensor; nil where a run ends within a tile.
  private func tiledStretches(
    _ key: DevicePlan.Key, states: [(map: StateMap, pieces: Pieces)], vectors: Pieces
  ) -> [ParameterLayout.Stretch]? {
    guard fusesSums else { return nil }
    let stretches = all.stretches(sets: key.sets, leftOut: key.leftOut, cutsTensors: true)
      .filter { $0.program == program }
    let runs = StepPlan(
      stretches, parameters: key.parameters, gradients: key.gradients, states: states,
      vectors: vectors
    ).runs
    func tiles(_ range: Range<Int>) -> StrideTo<Int> {
      stride(from: range.lowerBound, to: range.upperBound, by: Tile.length)
    }
    let areWhole =
      runs.flatMap { tiles($0.start..<$0.start + $0.count) }
      == stretches.flatMap { tiles($0.range) }
    return areWhole ? stretches : nil
  }

  private func makePlan(
    _ key: DevicePlan.Key, states: [(map: StateMap, pieces: Pieces)], vectors: Pieces,
    shape: LaunchShape
  ) throws -> DevicePlan {
    if case .iteration = work {
      return try DevicePlan(
        [], key, states: states, vectors: vectors, shape: shape, context: context)
    }
    let hasPlaces = !all.list[program].numbers(ofPass: index).isEmpty
    guard case .numbers(let numbers) = work else {
      let tiled = tiledStretches(key, states: states, vectors: vectors)
      return try DevicePlan(
        tiled
          ?? all.stretches(sets: key.sets, leftOut: key.leftOut).filter { $0.program == program },
        key, hasPlaces: hasPlaces, isTiled: tiled != nil, states: states, vectors: vectors,
        shape: shape, context: context)
    }
    // A vector of numbers in one piece, with itself for states.
    let count = all.map(numbers, of: program)?.count ?? 0
    var whole = key
    (whole.parameters, whole.gradients) = (Pieces(count: count), Pieces(count: count))
    whole.onlyTables = true
    let plan = try DevicePlan(
      all.stretches(
        ofNumbers: numbers, program: program, leftOut: key.leftOut,
        isIdle: { key.isFrozen[$0] }), whole, hasPlaces: hasPlaces,
      states: states.map { _ in (StateMap(count: count), Pieces(count: count)) },
      vectors: Pieces(count: count), shape: shape, context: context)
    return plan.with(key)
  }

  private func kernel(
    _ kind: UpdatePrograms.Kind, _ shape: LaunchShape
  ) throws -> Kernel? {
    let key = KernelKey(kind: kind, shape: shape)
    if let kernel = kernels[key] { return kernel }
    let made = try programs?.kernel(kind, shape)
    kernels[key] = made
    return made
  }
}
#endif
