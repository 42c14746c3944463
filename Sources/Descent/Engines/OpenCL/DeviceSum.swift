#if OpenCL
import Logging
import OpenCLHost

/// The sum of gradients of several batches in a device's memory, cut as the states are.
final class DeviceSum {
  let vector: DeviceStates
  private let layout: ParameterLayout
  private var shape: FittedShape
  private var plan: DevicePlan?
  private var kernels: [Kind: Kernel] = [:]
  var logger: Logger?

  private struct Kind: Hashable {
    let shape: LaunchShape
    let type: ElementType
    let zeroes: Bool
  }

  init(
    _ vector: DeviceStates, _ layout: ParameterLayout, shape: FittedShape, logger: Logger? = nil
  ) {
    (self.vector, self.layout, self.shape) = (vector, layout, shape)
    self.logger = logger
  }

  /// Enqueues adding a gradient to the sum, or beginning it.
  ///
  /// - Parameter launched: takes every launch's event; each waits for the one before.
  func enqueue(
    _ gradients: [DeviceSlice], begins: Bool, zeroes: Bool, on queue: CommandQueue,
    after events: [Event], launched: (Event) -> Void
  ) throws {
    let pieces = Pieces(counts: gradients.map(\.count))
    let key = DevicePlan.Key(parameters: pieces, gradients: pieces, sets: nil, onlyTables: true)
    let (plan, kernel) = try fit(key, gradients.elementType, zeroes: zeroes, queue.context)
    let groupSize = plan.tableShape.groupSize
    var after = events
    for launch in plan.launches {
      guard case .table(let blocks, _, let count) = launch.work else { continue }
      let gradient = gradients[launch.gradients.piece]
      try kernel.setArgument(0, blocks)
      try kernel.setArgument(1, UInt32(begins ? 1 : 0))
      try kernel.setArgument(2, gradient.buffer)
      try kernel.setArgument(
        3, UInt64(bitPattern: Int64(gradient.range.lowerBound + launch.gradients.offset)))
      try kernel.setArgument(4, vector.segments[0][launch.vectors.piece].buffer)
      try kernel.setArgument(5, UInt64(bitPattern: Int64(launch.vectors.offset)))
      let event = try kernel.enqueue(
        on: queue, global: count * groupSize, local: groupSize, after: after)
      launched(event)
      after = [event]
    }
  }

  /// The plan of a kind and its kernel, in a shape that the driver allows.
  private func fit(
    _ key: DevicePlan.Key, _ type: ElementType, zeroes: Bool, _ context: Context
  ) throws -> (DevicePlan, Kernel) {
    var fitted = shape
    defer { shape = fitted }
    return try Descent.fit(&fitted) { shape in
      let plan =
        if let plan, plan.key == key { plan } else {
          try DevicePlan(
            layout.occupied, key, states: [vector.whole], vectors: vector.pieces,
            shape: shape.shape, context: context)
        }
      self.plan = plan
      return (
        plan, try kernel(Kind(shape: plan.tableShape, type: type, zeroes: zeroes), context)
      )
    } shrink: { shape, made in
      let (plan, kernel) = made
      guard try shape.shrink(for: kernel, of: plan.tableShape) else { return false }
      self.plan = nil
      return true
    }
  }

  private func kernel(_ kind: Kind, _ context: Context) throws -> Kernel {
    if let kernel = kernels[kind] { return kernel }
    let program = ProgramText(
      "accumulate", [.lanes, .storage, .elements, .beside, .accumulate],
      defines: kind.shape.defines + kind.type.defines + (kind.zeroes ? ["ZEROING"] : []))
    let made = try program.make(in: context, logger: logger).kernel(named: "accumulate")
    kernels[kind] = made
    return made
  }
}

extension DeviceStates {
  /// How a vector in the layout of the parameters is cut.
  var whole: (map: StateMap, pieces: Pieces) { (StateMap(count: pieces.count), pieces) }

  /// Enqueues copies of these stretches of a vector in pieces to one of the vectors, whose layout
  /// the map gives.
  ///
  /// - Parameter enqueued: is called with every copy's event; each copy waits for the one before.
  func enqueueCopy(
    _ stretches: [ParameterLayout.Stretch], of slices: [DeviceSlice], to index: Int = 0,
    map: StateMap, on queue: CommandQueue, after events: [Event], enqueued: (Event) -> Void
  ) throws {
    let from = Pieces(counts: slices.map(\.count))
    let own = stretches.map { ParameterLayout.Stretch(range: $0.range, group: 0, set: 0) }
    let plan = StepPlan(
      own, parameters: from, gradients: from,
      states: [(map, pieces)], vectors: from)
    var after = events
    for run in plan.runs {
      let first = run.start - run.parameters.origin
      let event = try slices[run.parameters.piece][first..<first + run.count].copy(
        to: segments[index][run.states.piece], at: run.start - run.states.origin, on: queue,
        after: after)
      enqueued(event)
      after = [event]
    }
  }
}
#endif
