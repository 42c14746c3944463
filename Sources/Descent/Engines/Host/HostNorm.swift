internal import DescentKernels

/// The norm of a gradient in host memory, and what follows from it. Allocates nothing in a step.
final class HostNorm {
  /// Of the step, as far as it decides: ``StepControl/takesNorms(like:)``.
  var control: StepControl
  let plan: NormPlan
  /// A coefficient for each clipping set.
  let coefficients: UnsafeMutableBufferPointer<Float>
  /// How the gradient was last cut, and the piece of each tile.
  private var cut: Pieces?
  private var pieces: [Int] = []
  private let tiles: UnsafeMutableBufferPointer<descent_partial>
  private let tensors: UnsafeMutableBufferPointer<descent_partial>

  init(_ layout: ParameterLayout, _ control: StepControl) {
    self.control = control
    plan = NormPlan(layout, control)
    coefficients = .allocate(capacity: plan.limits.count)
    coefficients.initialize(repeating: 1)
    tiles = .allocate(capacity: plan.tiles.count)
    tiles.initialize(repeating: descent_partial())
    tensors = .allocate(capacity: plan.tensors.starts.count)
    tensors.initialize(repeating: descent_partial())
  }

  deinit {
    coefficients.deallocate()
    tiles.deallocate()
    tensors.deallocate()
  }

  /// Throws before anything is read if the pieces do not suit the tiles.
  func check(_ gradients: Pieces) throws {
    if gradients == cut { return }
    pieces = try plan.pieces(of: gradients)
    cut = gradients
  }

  /// Looks at the gradient, with the sum of those before it where there is one, decides, and sets
  /// the coefficients.
  func measure(
    _ gradients: HostPieces, with sum: ElementPointer?, scale: Float,
    _ now: inout descent_control, _ tile: descent_norm_tile, _ pool: WorkerPool?
  ) {
    sumTiles(gradients, sum, tile, pool)
    plan.tensors.list.withUnsafeBufferPointer { list in
      for index in 0..<plan.tensors.starts.count - 1 {
        tensors[index] = Self.fold(tiles, list, plan.tensors.starts, index)
      }
    }
    plan.sets.list.withUnsafeBufferPointer { list in
      let sets = plan.limits.count
      let total = Self.fold(tensors, list, plan.sets.starts, sets)
      var settings = descent_clipping(gradientScale: scale, limit: .infinity, epsilon: 0)
      descent_decide(&now, total, settings, control.decision)
      settings.gradientScale = now.scale
      for set in 0..<sets where plan.limits[set].limit < .infinity {
        (settings.limit, settings.epsilon) = plan.limits[set]
        coefficients[set] = descent_norm_coefficient(
          Self.fold(tensors, list, plan.sets.starts, set), settings)
      }
    }
  }

  private static func fold(
    _ terms: UnsafeMutableBufferPointer<descent_partial>, _ list: UnsafeBufferPointer<Int32>,
    _ starts: [Int32], _ index: Int
  ) -> descent_partial {
    let (first, end) = (Int(starts[index]), Int(starts[index + 1]))
    guard first < end, let start = list.baseAddress else { return descent_partial() }
    return descent_norm_fold(terms.baseAddress, start + first, end - first, true)
  }

  private func sumTiles(
    _ gradients: HostPieces, _ sum: ElementPointer?, _ tile: descent_norm_tile,
    _ pool: WorkerPool?
  ) {
    guard let cut else { return }
    plan.tiles.withUnsafeBufferPointer { places in
      pieces.withUnsafeBufferPointer { pieces in
        cut.starts.withUnsafeBufferPointer { starts in
          let job = TileJob(
            tiles: places, pieces: pieces, starts: starts, gradients: gradients, with: sum,
            sum: tile, results: tiles)
          let blocks = (places.count + TileJob.tilesPerBlock - 1) / TileJob.tilesPerBlock
          guard let pool, blocks > 3 else {
            for block in 0..<blocks { job.run(block) }
            return
          }
          withUnsafePointer(to: job) { job in
            pool.run(blocks: blocks, context: job) { job, block, _ in
              job.assumingMemoryBound(to: TileJob.self).pointee.run(block)
            }
          }
        }
      }
    }
  }
}

/// All tiles of a gradient, some at a time for any thread.
private struct TileJob {
  static let tilesPerBlock = 4

  let tiles: UnsafeBufferPointer<Tile>
  let pieces: UnsafeBufferPointer<Int>
  let starts: UnsafeBufferPointer<Int>
  let gradients: HostPieces
  /// From the beginning of the layout.
  let with: ElementPointer?
  let sum: descent_norm_tile
  let results: UnsafeMutableBufferPointer<descent_partial>

  func run(_ block: Int) {
    let first = block * Self.tilesPerBlock
    for index in first..<min(first + Self.tilesPerBlock, tiles.count) {
      let (tile, piece) = (tiles[index], pieces[index])
      guard let start = gradients[piece].start, let result = results.baseAddress else {
        continue
      }
      sum(
        (start + (tile.start - starts[piece])).address, gradients.type.code,
        with.map { ($0 + tile.start).floats }, tile.count, result + index)
    }
  }
}
