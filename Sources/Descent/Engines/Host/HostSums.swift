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
      plan.tiles.withUnsafeBufferPointer { tiles in
        plan.panels.withUnsafeBufferPointer { panels in
          let job = TileSums(
            tiles: tiles, panels: panels, sums: UnsafeBufferPointer(rebasing: sums[own]),
            pass: pass, fused: fused, scratch: scratch.baseAddress,
            scratchPerThread: scratchPerThread, instructions: instructions)
          guard let pool, tiles.count > 3 else {
            for index in 0..<job.count { job.run(index, worker: 0) }
            return
          }
          withUnsafePointer(to: job) { pointer in
            pool.run(blocks: job.count, context: pointer) { job, index, worker in
              job.assumingMemoryBound(to: TileSums.self).pointee.run(index, worker: worker)
            }
          }
        }
      }
    }
    for part in parts { part.fold() }
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

/// The tiles of a sum, or of all sums of a fused pass; those of columns by panels. Any thread can
/// compute any tile or panel.
private struct TileSums {
  struct Sum {
    /// In the layout's order; nil where the pass is fused.
    let term: UnsafePointer<Float>?
    let isOfSquares: Bool
    let results: UnsafeMutableBufferPointer<descent_partial>
  }

  let tiles: UnsafeBufferPointer<SumPlan.Tile>
  /// Empty where the sum is not over columns.
  let panels: UnsafeBufferPointer<SumPlan.Panel>
  let sums: UnsafeBufferPointer<Sum>
  let pass: Pass
  let fused: Int?
  let scratch: UnsafeMutablePointer<Float>?
  let scratchPerThread: Int
  let instructions: HostKernels

  /// How many parts the work has.
  var count: Int { panels.isEmpty ? tiles.count : panels.count }

  func run(_ index: Int, worker: Int) {
    let own = scratch.map { $0 + worker * scratchPerThread }
    if !panels.isEmpty { return add(panels[index], own) }
    let tile = tiles[index]
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

  private func add(_ panel: SumPlan.Panel, _ space: UnsafeMutablePointer<Float>?) {
    guard let term = sums[0].term, let results = sums[0].results.baseAddress else { return }
    instructions.columnTiles(
      term + panel.start, panel.rows, panel.columns, panel.stride, sums[0].isOfSquares, space,
      results + panel.tile, panel.step)
  }

  private func add(
    _ sum: Sum, _ terms: UnsafePointer<Float>, _ count: Int,
    _ result: UnsafeMutablePointer<descent_partial>
  ) {
    if sum.isOfSquares {
      instructions.normTile(terms, ElementType.float32.code, nil, count, result)
    } else {
      instructions.sumTile(terms, count, result)
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
