#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// One of a step's programs on a device: its states, its kernels in the shapes that the driver
/// allows, and what they need of each group.
final class DeviceProgram {
  let states: DeviceStates
  let values: GroupValues
  private(set) var shape: FittedShape
  private(set) var ring: ValuesRing?
  private let index: Int
  private let all: RulePrograms
  private var programs: UpdatePrograms
  private var kernels: [KernelKey: Kernel] = [:]
  private var plan: DevicePlan?

  private struct KernelKey: Hashable {
    let kind: UpdatePrograms.Kind
    let shape: LaunchShape
  }

  /// A plan and its kernels.
  struct Fitted {
    let plan: DevicePlan
    let operands: [Operand]
    let flat: Kernel?
    let table: Kernel?
  }

  init(
    _ index: Int, of all: RulePrograms, shape: FittedShape, queue: CommandQueue, logger: Logger?
  ) throws {
    let program = all.list[index]
    let compiled = try CompiledRule(program.kernel)
    (self.index, self.all, self.shape) = (index, all, shape)
    programs = UpdatePrograms(rule: compiled, context: queue.context, logger: logger)
    values = GroupValues(compiled, groups: all.layout.groupNames.count)
    states = try DeviceStates(
      program.states.map { Float($0.initialValue) },
      SegmentCuts(
        all.states[index], all.layout.tensors.filter { all.program(of: $0) == index },
        queue.context),
      queue: queue)
  }

  var logger: Logger? {
    get { programs.logger }
    set { programs.logger = newValue }
  }

  /// The plan of a kind and its kernels. The last one is kept, since steps are mostly alike.
  ///
  /// - Parameters:
  ///   - states: by program, where states lie and how they are cut.
  ///   - vectors: how a whole vector is cut.
  func fit(
    _ key: DevicePlan.Key, _ kind: UpdatePrograms.Kind,
    states: [(map: StateMap, pieces: Pieces)], vectors: Pieces
  ) throws -> Fitted {
    var fitted = shape
    defer { shape = fitted }
    return try Descent.fit(&fitted) { shape in
      let plan =
        if let plan, plan.key == key { plan } else {
          try DevicePlan(
            all.layout.stretches(sets: key.sets, leftOut: key.leftOut, programs: all.ofGroup)
              .filter { $0.program == index },
            key, states: states, vectors: vectors, shape: shape.shape,
            context: programs.context)
        }
      self.plan = plan
      return Fitted(
        plan: plan, operands: kind.operands,
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
  }

  private func kernel(
    _ kind: UpdatePrograms.Kind, _ shape: LaunchShape
  ) throws -> Kernel {
    let key = KernelKey(kind: kind, shape: shape)
    if let kernel = kernels[key] { return kernel }
    let made = try programs.kernel(kind, shape)
    kernels[key] = made
    return made
  }

  // MARK: Values

  /// Makes room for the values of so many steps that may come.
  func makeRing(rows: Int) throws {
    if ring.map({ $0.rows < rows }) ?? true {
      ring = try ValuesRing(programs.context, bytesPerRow: values.memory.count, rows: rows)
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
#endif
