#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// What the work between passes over elements depends on.
struct DeviceStepKind: Equatable {
  /// The groups that are frozen and the tensors that are left out.
  let isFrozen: [Bool]
  let leftOut: [Bool]
  /// Whether the device decides about the step.
  let isControlled: Bool

  init(_ step: StepInput) {
    isFrozen = step.groups.groups.map(\.isFrozen)
    (leftOut, isControlled) = (step.control.leftOut, step.control.looks)
  }
}

/// The sums of a pass on a device, whose results are numbers of the rule. Terms are in vectors of
/// their own, unless the pass sums its tiles itself.
final class DeviceSums {
  let kind: DeviceStepKind
  /// The first elements of the tiles that the pass sums itself; empty where it does not.
  let tileStarts: [Int]
  private let parts: [Part]

  /// A sum.
  private struct Part {
    let term: Int
    let reduction: RuleSum.Reduction
    let launches: [TileLaunch]
    let partials: Buffer<descent_partial>
    let fold: DeviceFold
    let places: Buffer<Int32>
    let numbers: DeviceSlice
    let shape: NormShape
    let kernels: SumKernels
  }

  /// - Parameters:
  ///   - pieces: how terms are cut.
  ///   - tileStarts: see ``tileStarts``.
  ///   - numbers: the memory of a state, by its index.
  init(
    _ programs: RulePrograms, program: Int, pass: Int, _ kind: DeviceStepKind, pieces: Pieces,
    tileStarts: [Int], numbers: (Int) -> DeviceSlice?, _ context: Context, logger: Logger?
  ) throws {
    (self.kind, self.tileStarts) = (kind, tileStarts)
    let places = Dictionary(
      uniqueKeysWithValues: tileStarts.enumerated().map { ($1, Int32($0)) })
    let own = programs.list[program]
    parts = try zip(own.passes[pass].terms, own.passes[pass].sums).compactMap { term, sum in
      guard let index = programs.index(of: sum.state, in: program), let numbers = numbers(index)
      else { return nil }
      let plan = SumPlan(
        programs, program: program, over: own.states[index].shape, leftOut: kind.leftOut,
        isIdle: { kind.isFrozen[$0] })
      if plan.places.isEmpty { return nil }
      var kernels = NormPrograms(context: context, groupPerTile: nil, logger: logger)
      let made = try kernels.fitSums(
        ofSquares: sum.reduction.isOfSquares, isControlled: kind.isControlled)
      let list = plan.numbers.list.map { index -> Int32 in
        if tileStarts.isEmpty { return index }
        guard let place = places[plan.tiles[Int(index)].start] else {
          preconditionFailure("the blocks of a fused pass are the tiles of its sums")
        }
        return place
      }
      return Part(
        term: term, reduction: sum.reduction,
        launches: tileStarts.isEmpty
          ? try TileLaunch.launches(
            // No tile is cut: the engine refuses such layouts.
            over: plan.tiles.map { tile in
              let segment = pieces.indices.partitioningIndex {
                pieces[$0].upperBound > tile.start
              }
              return TileLaunch.Tile(
                piece: segment, offset: -pieces.starts[segment],
                // The member `states` is the stride here.
                block: descent_block(
                  start: tile.start, states: tile.stride, count: tile.count, group: 0, set: 0))
            }, context) : [],
        partials: try Buffer(context, count: max(plan.tiles.count, tileStarts.count)),
        fold: try DeviceFold((list, plan.numbers.starts), context),
        places: try Buffer(context, copying: plan.places.map(Int32.init)), numbers: numbers,
        shape: kernels.shape, kernels: made)
    }
  }

  /// Where a pass that sums its tiles itself writes the sums of a term.
  func partials(ofTerm term: Int) -> Buffer<descent_partial>? {
    parts.first { $0.term == term }?.partials
  }

  /// Enqueues the sums, or what is left of them where the pass has summed its tiles.
  ///
  /// - Parameters:
  ///   - terms: by term its segments.
  ///   - control: what says whether the step is skipped, where the device decides.
  ///   - enqueued: takes every command's event; each waits for the one before.
  func enqueue(
    _ terms: [[DeviceSlice]], control: Buffer<descent_control>?, on queue: CommandQueue,
    after events: [Event], enqueued: (Event) -> Void
  ) throws {
    var after = events
    func add(_ event: Event) {
      enqueued(event)
      after = [event]
    }
    for part in parts {
      for launch in part.launches {
        add(
          try launch.enqueue(
            part.kernels.tiles, over: terms[part.term][launch.piece], to: part.partials,
            part.shape, on: queue, after: after))
      }
      add(
        try part.fold.enqueue(
          part.kernels.fold, of: part.partials, items: part.shape.items, on: queue, after: after))
      let kernel = part.kernels.values
      try kernel.setArgument(0, UInt32(part.places.count))
      try kernel.setArgument(1, part.fold.results)
      try kernel.setArgument(2, part.places)
      try kernel.setArgument(3, part.reduction.code)
      try kernel.setArgument(4, part.numbers.buffer)
      if let control { try kernel.setArgument(5, control) }
      let items = part.shape.items
      add(
        try kernel.enqueue(
          on: queue, global: (part.places.count + items - 1) / items * items, local: items,
          after: after))
    }
  }
}

/// A launch over tiles in one piece of a vector.
struct TileLaunch {
  /// A tile, its piece, and the offset from its start to its index in the piece.
  struct Tile {
    let piece: Int
    let offset: Int
    /// The piece of a second vector, and the offset for that.
    var second = DevicePlan.Place(piece: 0, offset: 0)
    let block: descent_block
  }

  let piece: Int
  let second: DevicePlan.Place
  private let offset: Int
  private let tiles: Buffer<descent_block>
  /// The number of the first tile.
  private let first: Int

  /// Launches over tiles in order, each over as many as are in the same pieces.
  static func launches(over tiles: [Tile], _ context: Context) throws -> [TileLaunch] {
    var launches: [TileLaunch] = []
    var rest = tiles[...]
    while let first = rest.first {
      let own = rest.prefix { $0.piece == first.piece && $0.second.piece == first.second.piece }
      launches.append(
        TileLaunch(
          piece: first.piece, second: first.second, offset: first.offset,
          tiles: try Buffer(context, copying: own.map(\.block)), first: rest.startIndex))
      rest = rest.dropFirst(own.count)
    }
    return launches
  }

  /// Enqueues `norm_tiles` without the arguments for a second vector.
  func enqueue(
    _ kernel: Kernel, over memory: DeviceSlice, to partials: Buffer<descent_partial>,
    _ shape: NormShape, on queue: CommandQueue, after: [Event]
  ) throws -> Event {
    try kernel.setArgument(0, UInt32(tiles.count))
    try kernel.setArgument(1, tiles)
    try kernel.setArgument(2, memory.buffer)
    try kernel.setArgument(3, UInt64(bitPattern: Int64(memory.range.lowerBound + offset)))
    try kernel.setArgument(4, partials)
    try kernel.setArgument(5, UInt32(first))
    return try kernel.enqueue(
      on: queue, global: shape.tileItems(tiles.count), local: shape.tileGroup, after: after)
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
