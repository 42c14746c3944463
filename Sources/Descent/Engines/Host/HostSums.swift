internal import DescentKernels

/// The sums of a pass in host memory. Allocates nothing in a step.
final class HostSums {
  /// A sum, its tiles, and where its results go.
  private struct Part {
    let term: UnsafeMutablePointer<Float>
    let plan: SumPlan
    let reduction: RuleSum.Reduction
    let numbers: UnsafeMutablePointer<Float>
    let partials: UnsafeMutableBufferPointer<descent_partial>
    /// Whether tiles have to be gathered, for which there is memory of one tile.
    let isStrided: Bool
  }

  private let parts: [Part]
  /// Elements of a tile that are not contiguous.
  private let gathered: UnsafeMutableBufferPointer<Float>

  /// - Parameters:
  ///   - terms: one vector for each sum, as the layout says.
  ///   - states: the program's.
  init(
    _ programs: RulePrograms, program: Int, pass: Int, leftOut: [Bool], isIdle: (Int) -> Bool,
    terms: [ElementPointer], states: [ElementPointer]
  ) {
    let own = programs.list[program]
    parts = zip(own.passes[pass].sums, terms).compactMap { sum, term in
      guard let index = programs.index(of: sum.state, in: program) else { return nil }
      let plan = SumPlan(
        programs, program: program, over: own.states[index].shape, leftOut: leftOut,
        isIdle: isIdle)
      let partials = UnsafeMutableBufferPointer<descent_partial>.allocate(
        capacity: plan.tiles.count)
      partials.initialize(repeating: descent_partial())
      return Part(
        term: term.floats, plan: plan, reduction: sum.reduction, numbers: states[index].floats,
        partials: partials, isStrided: plan.tiles.contains { $0.stride > 1 })
    }
    gathered = .allocate(capacity: parts.contains(where: \.isStrided) ? Tile.length : 0)
    gathered.initialize(repeating: 0)
  }

  deinit {
    for part in parts { part.partials.deallocate() }
    gathered.deallocate()
  }

  /// Sums the terms, and writes the results.
  func run(_ instructions: HostKernels, _ pool: WorkerPool?) {
    for part in parts {
      part.plan.tiles.withUnsafeBufferPointer { tiles in
        let job = SumJob(
          tiles: tiles, term: part.term, isOfSquares: part.reduction.isOfSquares,
          normTile: instructions.normTile, sumTile: instructions.sumTile, results: part.partials)
        if let pool, !part.isStrided, tiles.count > 3 {
          withUnsafePointer(to: job) { job in
            pool.run(blocks: tiles.count, context: job) { job, tile in
              job.assumingMemoryBound(to: SumJob.self).pointee.run(tile, gathered: nil)
            }
          }
        } else {
          for tile in tiles.indices { job.run(tile, gathered: gathered.baseAddress) }
        }
      }
      part.plan.numbers.list.withUnsafeBufferPointer { list in
        let starts = part.plan.numbers.starts
        for (index, place) in part.plan.places.enumerated() {
          let (first, end) = (Int(starts[index]), Int(starts[index + 1]))
          let total = descent_norm_fold(
            part.partials.baseAddress, list.baseAddress.map { $0 + first }, end - first,
            part.reduction.isOfSquares)
          part.numbers[place] = descent_norm_value(total, part.reduction.code)
        }
      }
    }
  }
}

/// All tiles of a sum, each of which any thread can compute.
private struct SumJob {
  let tiles: UnsafeBufferPointer<SumPlan.Tile>
  let term: UnsafePointer<Float>
  let isOfSquares: Bool
  let normTile: descent_norm_tile
  let sumTile: descent_sum_tile
  let results: UnsafeMutableBufferPointer<descent_partial>

  func run(_ index: Int, gathered: UnsafeMutablePointer<Float>?) {
    let tile = tiles[index]
    var from = term + tile.start
    if tile.stride > 1, let gathered {
      for i in 0..<tile.count { gathered[i] = from[i * tile.stride] }
      from = UnsafePointer(gathered)
    }
    guard let result = results.baseAddress else { return }
    if isOfSquares {
      normTile(from, nil, tile.count, result + index)
    } else {
      sumTile(from, tile.count, result + index)
    }
  }
}

extension RuleSum.Reduction {
  /// The value that kernels use.
  var code: UInt32 {
    switch self {
    case .norm: UInt32(DESCENT_NORM)
    case .sum: UInt32(DESCENT_SUM)
    case .largest: UInt32(DESCENT_LARGEST)
    }
  }
}
