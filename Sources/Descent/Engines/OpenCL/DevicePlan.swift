#if OpenCL
internal import DescentKernels
import OpenCLHost

/// A step's launches on a device, each over one piece of every vector.
struct DevicePlan {
  enum Work {
    /// Elements of one group.
    case flat(count: Int, group: Int)
    /// The blocks of several runs, their count and, if the pass reads numbers of other shapes, the
    /// places of those for each block.
    case table(Buffer<descent_block>, places: Buffer<descent_place>?, count: Int)
  }

  struct Launch {
    let work: Work
    let parameters: Place
    let gradients: Place
    let states: Place
    /// In the sum of gradients and the average.
    let vectors: Place
    /// How many tiles of sums the launches before have.
    let firstTile: Int
  }

  /// A piece, and what to add to a block's start to be at its place in the piece. Less than 0 where
  /// the piece begins later in the layout than the launch counts from.
  struct Place {
    let piece: Int
    let offset: Int
  }

  /// What a plan depends on, except the layout and the device.
  struct Key: Equatable {
    var parameters: Pieces
    var gradients: Pieces
    /// By tensor: the clipping set; nil if gradients are not read first.
    var sets: [Int]?
    /// By tensor: whether it is left out; empty where none is.
    var leftOut: [Bool] = []
    /// The groups that are frozen; empty for passes over elements.
    var isFrozen: [Bool] = []
    /// Whether even one stretch is a table.
    var onlyTables = false
  }

  private(set) var key: Key
  /// Of launches over tables.
  let tableShape: LaunchShape
  let launches: [Launch]
  let hasFlat: Bool
  let hasTables: Bool
  /// The first elements of all blocks, where these are the tiles of sums; empty elsewhere.
  let tileStarts: [Int]

  /// - Parameters:
  ///   - stretches: what the launches go over, all of one program.
  ///   - states: by program, the map of the states and how they are cut.
  ///   - vectors: how a whole vector is cut.
  ///   - shape: of flat launches.
  ///   - hasPlaces: whether the pass reads numbers of other shapes.
  ///   - isTiled: whether the blocks are tiles, each for one item, whatever the shape.
  init(
    _ stretches: [ParameterLayout.Stretch], _ key: Key, hasPlaces: Bool = false,
    isTiled: Bool = false,
    states: [(map: StateMap, pieces: Pieces)], vectors: Pieces, shape: LaunchShape,
    context: Context
  ) throws {
    let plan = StepPlan(
      stretches, parameters: key.parameters, gradients: key.gradients, states: states,
      vectors: vectors)
    self.key = key
    tableShape =
      isTiled
      ? LaunchShape(lanes: shape.lanes, groupSize: 1)
      : shape.forTable(
        ofRuns: plan.runs.map(\.count), isProcessor: context.device.type.contains(.cpu))
    let block = isTiled ? Tile.length : tableShape.block
    var launches: [Launch] = []
    var tileStarts: [Int] = []
    var rest = plan.runs[...]
    while let first = rest.first {
      let runs = rest.prefix { $0.isBeside(first) }
      rest = rest.dropFirst(runs.count)
      if runs.count == 1 && !key.onlyTables && !hasPlaces && !isTiled {
        launches.append(
          Launch(.flat(count: first.count, group: first.group), first, from: first.start))
      } else {
        let blocks = try descent_block.covering(runs, block: block)
        let table = try Buffer(context, copying: blocks)
        let places =
          try hasPlaces
          ? Buffer(context, copying: descent_place.covering(runs, block: block)) : nil
        launches.append(
          Launch(
            .table(table, places: places, count: blocks.count), first, from: 0,
            firstTile: tileStarts.count))
        if isTiled { tileStarts += blocks.map { Int($0.start) } }
      }
    }
    (self.launches, self.tileStarts) = (launches, tileStarts)
    hasFlat = launches.contains { if case .flat = $0.work { true } else { false } }
    hasTables = launches.contains { if case .table = $0.work { true } else { false } }
  }
}

extension DevicePlan {
  /// The same plan with another key.
  func with(_ key: Key) -> Self {
    var plan = self
    plan.key = key
    return plan
  }
}

extension DevicePlan.Launch {
  /// A launch that counts elements from `origin` in the layout.
  init(_ work: DevicePlan.Work, _ run: StepPlan.Run, from origin: Int, firstTile: Int = 0) {
    func place(_ place: StepPlan.Place) -> DevicePlan.Place {
      DevicePlan.Place(piece: place.piece, offset: origin - place.origin)
    }
    (self.work, self.firstTile) = (work, firstTile)
    (parameters, gradients) = (place(run.parameters), place(run.gradients))
    states = place(run.states)
    vectors = place(run.vectors)
  }
}

extension StepPlan.Run {
  /// Whether both are in the same pieces.
  func isBeside(_ other: Self) -> Bool {
    parameters == other.parameters && gradients == other.gradients
      && states.piece == other.states.piece && vectors == other.vectors
  }
}

extension descent_block {
  init(start: Int, states: Int = 0, count: Int, group: Int, set: Int) {
    self.init(
      start: UInt64(start), states: UInt64(states), count: UInt32(count), group: UInt32(group),
      set: UInt32(set), unused: 0)
  }

  /// The blocks that cover the runs, none longer than `block`.
  ///
  /// Throws ``DescentError/memory(bytes:)`` where there is no memory for so many.
  static func covering(
    _ runs: some Collection<StepPlan.Run>, block: Int
  ) throws -> [descent_block] {
    let total = runs.reduce(0) { $0 + ($1.count - 1) / block + 1 }
    try checkMemory(total, stride: MemoryLayout<descent_block>.stride)
    var blocks: [descent_block] = []
    blocks.reserveCapacity(total)
    for run in runs {
      for start in stride(from: run.start, to: run.start + run.count, by: block) {
        let count = min(block, run.start + run.count - start)
        blocks.append(
          descent_block(
            start: start, states: start - run.states.origin, count: count, group: run.group,
            set: run.set))
      }
    }
    return blocks
  }
}

extension descent_place {
  /// The places of the numbers of other shapes for the blocks that cover the runs. Each run is in
  /// one row of one tensor.
  static func covering(
    _ runs: some Collection<StepPlan.Run>, block: Int
  ) -> [descent_place] {
    runs.flatMap { run in
      stride(from: 0, to: run.count, by: block).map {
        descent_place(
          row: UInt64(run.place.row), column: UInt64(run.place.column + $0),
          tensor: UInt64(run.place.tensor))
      }
    }
  }
}
#endif
