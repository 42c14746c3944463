internal import DescentKernels

/// The sums of a pass in host memory. Allocates nothing in a step.
///
/// Sums over tensors and the model are fused with their pass: a thread runs the pass over a tile,
/// and sums its terms while they are in the cache. Otherwise the terms of all elements are in
/// memory.
final class HostSums {
  /// A sum, its tiles, and where its results go.
  fileprivate struct Part {
    let plan: SumPlan
    let reduction: RuleSum.Reduction
    let numbers: UnsafeMutablePointer<Float>
    let partials: UnsafeMutableBufferPointer<descent_partial>
  }

  private let parts: [Part]
  /// Parts whose tiles are computed together: all of a fused pass, which have the same tiles, else
  /// one.
  private let together: [Range<Int>]
  private let sums: UnsafeMutableBufferPointer<TileSums.Sum>
  /// The program of a fused pass.
  private let fused: Int?
  /// For each thread, the terms of a fused tile, or the accumulators of a panel of columns.
  private let scratch: UnsafeMutableBufferPointer<Float>
  private let scratchPerThread: Int

  /// - Parameters:
  ///   - terms: each a vector in the layout's order, if they are not fused.
  ///   - states: the program's.
  init(
    _ programs: RulePrograms, program: Int, pass: Int, leftOut: [Bool], isIdle: (Int) -> Bool,
    terms: [ElementPointer], states: [ElementPointer], threads: Int
  ) {
    let own = programs.list[program]
    let sums = own.passes[pass].sums
    let isFused = own.sumsTiles(ofPass: pass)
    let parts: [Part] = sums.compactMap { sum in
      guard let index = programs.index(of: sum.state, in: program) else { return nil }
      let plan = SumPlan(
        programs, program: program, over: own.states[index].shape, leftOut: leftOut,
        isIdle: isIdle)
      let partials = UnsafeMutableBufferPointer<descent_partial>.allocate(
        capacity: plan.tiles.count)
      partials.initialize(repeating: descent_partial())
      return Part(
        plan: plan, reduction: sum.reduction, numbers: states[index].floats, partials: partials)
    }
    self.parts = parts
    together = isFused ? [parts.indices] : parts.indices.map { $0..<$0 + 1 }
    self.sums = .allocate(capacity: parts.count)
    _ = self.sums.initialize(
      from: zip(own.passes[pass].terms, parts).map { term, part in
        TileSums.Sum(
          term: isFused ? nil : terms[term].floats, isOfSquares: part.reduction.isOfSquares,
          results: part.partials)
      })
    fused = isFused ? program : nil
    let hasPanels = parts.contains { !$0.plan.panels.isEmpty }
    scratchPerThread =
      isFused
      ? parts.count * Tile.length
      : hasPanels ? SumPlan.Panel.width * Int(DESCENT_ACCUMULATORS) : 0
    scratch = .allocate(capacity: threads * scratchPerThread)
    scratch.initialize(repeating: 0)
  }

  deinit {
    for part in parts { part.partials.deallocate() }
    sums.deallocate()
    scratch.deallocate()
  }

  /// Sums the terms, and writes the results. Fused sums run the pass too.
  func run(_ pass: Pass, _ instructions: HostKernels, _ pool: WorkerPool?) {
    for own in together where !own.isEmpty {
      let plan = parts[own.lowerBound].plan
      if !plan.panels.isEmpty {
        run(plan.panels, sums[own.lowerBound], instructions, pool)
        continue
      }
      plan.tiles.withUnsafeBufferPointer { tiles in
        let job = TileSums(
          tiles: tiles, sums: UnsafeBufferPointer(rebasing: sums[own]), pass: pass, fused: fused,
          scratch: scratch.baseAddress, scratchPerThread: scratchPerThread,
          normTile: instructions.normTile, sumTile: instructions.sumTile)
        guard let pool, tiles.count > 3 else {
          for tile in tiles.indices { job.run(tile, worker: 0) }
          return
        }
        withUnsafePointer(to: job) { job in
          pool.run(blocks: tiles.count, context: job) { job, tile, worker in
            job.assumingMemoryBound(to: TileSums.self).pointee.run(tile, worker: worker)
          }
        }
      }
    }
    for part in parts { part.fold() }
  }
}

extension HostSums {
  private func run(
    _ panels: [SumPlan.Panel], _ sum: TileSums.Sum, _ instructions: HostKernels,
    _ pool: WorkerPool?
  ) {
    guard let scratch = scratch.baseAddress else { return }
    panels.withUnsafeBufferPointer { panels in
      let job = PanelSums(
        panels: panels, sum: sum, scratch: scratch, scratchPerThread: scratchPerThread,
        columnTiles: instructions.columnTiles)
      guard let pool, panels.count > 1 else {
        for panel in panels.indices { job.run(panel, worker: 0) }
        return
      }
      withUnsafePointer(to: job) { job in
        pool.run(blocks: panels.count, context: job) { job, panel, worker in
          job.assumingMemoryBound(to: PanelSums.self).pointee.run(panel, worker: worker)
        }
      }
    }
  }
}

extension HostSums.Part {
  /// Folds the tiles of each number, and writes it.
  fileprivate func fold() {
    plan.numbers.list.withUnsafeBufferPointer { list in
      let starts = plan.numbers.starts
      for (index, place) in plan.places.enumerated() {
        let (first, end) = (Int(starts[index]), Int(starts[index + 1]))
        let total = descent_norm_fold(
          partials.baseAddress, list.baseAddress.map { $0 + first }, end - first,
          reduction.isOfSquares)
        numbers[place] = descent_norm_value(total, reduction.code)
      }
    }
  }
}

/// The tiles of a sum, or of all sums of a fused pass. Any thread can compute any tile.
private struct TileSums {
  struct Sum {
    /// In the layout's order; nil where the pass is fused.
    let term: UnsafePointer<Float>?
    let isOfSquares: Bool
    let results: UnsafeMutableBufferPointer<descent_partial>
  }

  let tiles: UnsafeBufferPointer<SumPlan.Tile>
  let sums: UnsafeBufferPointer<Sum>
  let pass: Pass
  let fused: Int?
  let scratch: UnsafeMutablePointer<Float>?
  let scratchPerThread: Int
  let normTile: descent_norm_tile
  let sumTile: descent_sum_tile

  func run(_ index: Int, worker: Int) {
    let tile = tiles[index]
    let own = scratch.map { $0 + worker * scratchPerThread }
    if let fused, let own {
      var pass = pass
      pass.scratch = Pass.Scratch(program: fused, terms: own, origin: tile.start)
      pass.run(tile.start..<tile.start + tile.count)
    }
    for (place, sum) in sums.enumerated() {
      guard let result = sum.results.baseAddress else { continue }
      if let term = sum.term {
        add(sum, term + tile.start, tile.count, result + index)
      } else if let own {
        add(sum, own + place * Tile.length, tile.count, result + index)
      }
    }
  }

  private func add(
    _ sum: Sum, _ terms: UnsafePointer<Float>, _ count: Int,
    _ result: UnsafeMutablePointer<descent_partial>
  ) {
    if sum.isOfSquares {
      normTile(terms, nil, count, result)
    } else {
      sumTile(terms, count, result)
    }
  }
}

/// The sums over columns, a panel of columns at a time. Any thread can compute any panel.
private struct PanelSums {
  let panels: UnsafeBufferPointer<SumPlan.Panel>
  let sum: TileSums.Sum
  let scratch: UnsafeMutablePointer<Float>
  let scratchPerThread: Int
  let columnTiles: descent_column_tiles

  func run(_ index: Int, worker: Int) {
    let panel = panels[index]
    guard let term = sum.term, let results = sum.results.baseAddress else { return }
    columnTiles(
      term + panel.start, panel.rows, panel.columns, panel.stride, sum.isOfSquares,
      scratch + worker * scratchPerThread, results + panel.tile, panel.step)
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
