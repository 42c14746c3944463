internal import DescentKernels

/// The sums of a pass in host memory. Allocates nothing in a step.
///
/// Sums over tensors and the model are fused with their pass: a thread runs the pass over a part of
/// a tile at a time, and sums its terms while they are in the cache. The scale of a tile is the last
/// step's; if that turns out to be wrong, the tile's terms are summed again. Otherwise the terms of all elements are in
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
  /// For each thread, the terms of a fused tile, or elements of a tile that are not contiguous.
  private let scratch: UnsafeMutableBufferPointer<Float>
  private let tilesPerThread: Int
  /// For each thread, the accumulators of a fused tile.
  private let accumulators: UnsafeMutableBufferPointer<descent_tile_sums>

  /// - Parameters:
  ///   - terms: one vector for each sum that is not fused, in the layout's order.
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
      from: parts.enumerated().map { index, part in
        TileSums.Sum(
          term: isFused ? nil : terms[index].floats, isOfSquares: part.reduction.isOfSquares,
          results: part.partials)
      })
    fused = isFused ? program : nil
    let isStrided = parts.contains { $0.plan.tiles.contains { $0.stride > 1 } }
    tilesPerThread = isFused ? parts.count : isStrided ? 1 : 0
    scratch = .allocate(capacity: threads * tilesPerThread * Tile.length)
    scratch.initialize(repeating: 0)
    accumulators = .allocate(capacity: isFused ? threads * parts.count : 0)
    accumulators.initialize(repeating: descent_tile_sums())
  }

  deinit {
    for part in parts { part.partials.deallocate() }
    sums.deallocate()
    scratch.deallocate()
    accumulators.deallocate()
  }

  /// Sums the terms, and writes the results. Fused sums run the pass too.
  func run(_ pass: Pass, _ instructions: HostKernels, _ pool: WorkerPool?) {
    for own in together where !own.isEmpty {
      parts[own.lowerBound].plan.tiles.withUnsafeBufferPointer { tiles in
        let job = TileSums(
          tiles: tiles, sums: UnsafeBufferPointer(rebasing: sums[own]), pass: pass, fused: fused,
          scratch: scratch.baseAddress, tilesPerThread: tilesPerThread,
          accumulators: accumulators.baseAddress, instructions: instructions)
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
  let tilesPerThread: Int
  let accumulators: UnsafeMutablePointer<descent_tile_sums>?
  let instructions: HostKernels

  /// Elements whose terms are summed together, while they are in the L1 cache.
  static let part = 1 << 11

  func run(_ index: Int, worker: Int) {
    let tile = tiles[index]
    let own = scratch.map { $0 + worker * tilesPerThread * Tile.length }
    if let fused, let own, let accumulators {
      let scratch = Pass.Scratch(program: fused, terms: own, origin: tile.start)
      return run(index, tile, scratch, accumulators + worker * sums.count)
    }
    for sum in sums {
      guard let result = sum.results.baseAddress, let term = sum.term else { continue }
      add(sum, gathered(tile, of: term, in: own), tile.count, result + index)
    }
  }

  /// Runs the fused pass over a tile, and sums its terms.
  private func run(
    _ index: Int, _ tile: SumPlan.Tile, _ scratch: Pass.Scratch,
    _ accumulators: UnsafeMutablePointer<descent_tile_sums>
  ) {
    for (place, sum) in sums.enumerated() {
      accumulators[place] = descent_tile_sums()
      accumulators[place].down = descent_norm_downscale(sum.results[index].peak)
    }
    var pass = pass
    pass.scratch = scratch
    for start in stride(from: 0, to: tile.count, by: Self.part) {
      let count = min(Self.part, tile.count - start)
      pass.run(tile.start + start..<tile.start + start + count)
      for (place, sum) in sums.enumerated() {
        instructions.tilePart(
          scratch.terms + (place * Tile.length + start), count, sum.isOfSquares,
          accumulators + place)
      }
    }
    for (place, sum) in sums.enumerated() {
      guard let result = sum.results.baseAddress else { continue }
      if accumulators[place].down == descent_norm_downscale(accumulators[place].peak) {
        instructions.tileTotal(accumulators + place, result + index)
      } else {
        add(sum, scratch.terms + place * Tile.length, tile.count, result + index)
      }
    }
  }

  private func add(
    _ sum: Sum, _ terms: UnsafePointer<Float>, _ count: Int,
    _ result: UnsafeMutablePointer<descent_partial>
  ) {
    if sum.isOfSquares {
      instructions.normTile(terms, nil, count, result)
    } else {
      instructions.sumTile(terms, count, result)
    }
  }

  /// A tile's terms, copied to be contiguous where they are not.
  private func gathered(
    _ tile: SumPlan.Tile, of term: UnsafePointer<Float>, in memory: UnsafeMutablePointer<Float>?
  ) -> UnsafePointer<Float> {
    let from = term + tile.start
    guard tile.stride > 1, let memory else { return from }
    for i in 0..<tile.count { memory[i] = from[i * tile.stride] }
    return UnsafePointer(memory)
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
