#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// The sums of a pass on a device: terms in vectors of their own, and results as numbers of the
/// rule.
final class DeviceSums {
  /// The groups that are frozen and the tensors that are left out.
  let isFrozen: [Bool]
  let leftOut: [Bool]
  let isControlled: Bool
  private let parts: [Part]

  /// A sum.
  private struct Part {
    let term: Int
    let reduction: RuleSum.Reduction
    let launches: [Launch]
    let partials: Buffer<descent_partial>
    let fold: DeviceFold
    let places: Buffer<Int32>
    let numbers: Buffer<Float>
    let shape: NormShape
    let kernels: SumKernels
  }

  /// Tiles in one segment of the terms.
  private struct Launch {
    let segment: Int
    let tiles: Buffer<descent_block>
    let first: Int
    let offset: Int
  }

  /// - Parameters:
  ///   - pieces: how terms are cut.
  ///   - numbers: gives the memory of a state.
  init(
    _ programs: RulePrograms, program: Int, pass: Int, isFrozen: [Bool], leftOut: [Bool],
    pieces: Pieces, isControlled: Bool, numbers: (Int) -> Buffer<Float>?, _ context: Context,
    logger: Logger?
  ) throws {
    (self.isFrozen, self.leftOut, self.isControlled) = (isFrozen, leftOut, isControlled)
    let own = programs.list[program]
    parts = try own.passes[pass].sums.enumerated().compactMap { term, sum in
      guard let index = programs.index(of: sum.state, in: program), let numbers = numbers(index)
      else { return nil }
      let plan = SumPlan(
        programs, program: program, over: own.states[index].shape, leftOut: leftOut,
        isIdle: { isFrozen[$0] })
      if plan.places.isEmpty { return nil }
      var kernels = NormPrograms(context: context, groupPerTile: nil, logger: logger)
      let made = try kernels.fitSums(
        ofSquares: sum.reduction.isOfSquares, isControlled: isControlled)
      return Part(
        term: term, reduction: sum.reduction,
        launches: try Self.launches(plan, pieces, context),
        partials: try Buffer(context, count: plan.tiles.count),
        fold: try DeviceFold(plan.numbers, context),
        places: try Buffer(context, copying: plan.places.map(Int32.init)), numbers: numbers,
        shape: kernels.shape, kernels: made)
    }
  }

  private static func launches(
    _ plan: SumPlan, _ pieces: Pieces, _ context: Context
  ) throws -> [Launch] {
    // No tile is cut: the engine refuses such layouts.
    let segments = plan.tiles.map { tile in
      pieces.indices.partitioningIndex { pieces[$0].upperBound > tile.start }
    }
    var launches: [Launch] = []
    var first = 0
    while first < segments.count {
      let end = segments[first...].firstIndex { $0 != segments[first] } ?? segments.count
      let blocks = plan.tiles[first..<end].map {
        // The kernel takes the stride from the place in the states.
        descent_block(start: $0.start, states: $0.stride, count: $0.count, group: 0, set: 0)
      }
      launches.append(
        Launch(
          segment: segments[first], tiles: try Buffer(context, copying: blocks), first: first,
          offset: -pieces.starts[segments[first]]))
      first = end
    }
    return launches
  }

  /// Enqueues the sums.
  ///
  /// - Parameters:
  ///   - terms: by term its segments.
  ///   - control: what says whether the step is skipped, where the device decides.
  ///   - enqueued: takes every command's event; each waits for the one before.
  func enqueue(
    _ terms: [[Buffer<Float>]], control: Buffer<descent_control>?, on queue: CommandQueue,
    after events: [Event], enqueued: (Event) -> Void
  ) throws {
    var after = events
    func add(_ event: Event) {
      enqueued(event)
      after = [event]
    }
    for part in parts {
      for launch in part.launches {
        let kernel = part.kernels.tiles
        try kernel.setArgument(0, UInt32(launch.tiles.count))
        try kernel.setArgument(1, launch.tiles)
        try kernel.setArgument(2, terms[part.term][launch.segment])
        try kernel.setArgument(3, UInt64(bitPattern: Int64(launch.offset)))
        try kernel.setArgument(4, part.partials)
        try kernel.setArgument(5, UInt32(launch.first))
        add(
          try kernel.enqueue(
            on: queue, global: part.shape.tileItems(launch.tiles.count),
            local: part.shape.tileGroup, after: after))
      }
      add(
        try part.fold.enqueue(
          part.kernels.fold, of: part.partials, items: part.shape.items, on: queue, after: after))
      let kernel = part.kernels.values
      try kernel.setArgument(0, UInt32(part.places.count))
      try kernel.setArgument(1, part.fold.results)
      try kernel.setArgument(2, part.places)
      try kernel.setArgument(3, part.reduction.code)
      try kernel.setArgument(4, part.numbers)
      if let control { try kernel.setArgument(5, control) }
      let items = part.shape.items
      add(
        try kernel.enqueue(
          on: queue, global: (part.places.count + items - 1) / items * items, local: items,
          after: after))
    }
  }
}

/// Sums of listed partials.
struct DeviceFold {
  private let list: Buffer<Int32>
  private let starts: Buffer<Int32>
  let results: Buffer<descent_partial>
  let count: Int

  init(_ lists: (list: [Int32], starts: [Int32]), _ context: Context) throws {
    count = lists.starts.count - 1
    list = try Buffer(context, copying: lists.list)
    starts = try Buffer(context, copying: lists.starts)
    results = try Buffer(context, count: count)
  }

  /// - Parameter items: of a group.
  func enqueue(
    _ kernel: Kernel, of terms: Buffer<descent_partial>, items: Int, on queue: CommandQueue,
    after: [Event]
  ) throws -> Event {
    try kernel.setArgument(0, terms)
    try kernel.setArgument(1, list)
    try kernel.setArgument(2, starts)
    try kernel.setArgument(3, results)
    return try kernel.enqueue(on: queue, global: count * items, local: items, after: after)
  }
}
#endif
