internal import DescentKernels

/// The memory of iterations over matrices on this processor: what a batch needs, and for each
/// thread the packed parts of a block's factors.
final class MatrixMemory {
  /// Numbers of a batch that is not a single matrix. They stay in the last cache of many
  /// processors.
  static let batch = 1 << 22

  /// Numbers of this one's batches.
  let batch: Int
  let workspace: UnsafeMutableBufferPointer<Float>
  let spaces: UnsafeMutableBufferPointer<Float>
  let spacePerThread: Int
  /// The largest block, in whole tiles.
  let rows: Int
  let columns: Int

  /// nil for programs without such iterations.
  init?(
    _ programs: RulePrograms, _ instructions: HostKernels, threads: Int, batch: Int
  ) throws {
    let matrices = programs.list.indices.flatMap { programs.matrices(of: $0) }
    guard let height = matrices.map(\.shorter).max(), let width = matrices.map(\.longer).max()
    else { return nil }
    func whole(_ count: Int, _ tile: Int) -> Int { (count + tile - 1) / tile * tile }
    rows = min(
      whole(192, instructions.matrixTile.rows), whole(height, instructions.matrixTile.rows))
    columns = min(
      whole(256, instructions.matrixTile.columns), whole(width, instructions.matrixTile.columns))
    spacePerThread = descent_block_space(rows, columns)
    self.batch = batch
    let count = MatrixPlan.workspace(of: matrices, atMost: batch)
    try checkMemory(
      count + threads * spacePerThread, stride: MemoryLayout<Float>.stride)
    workspace = .allocate(capacity: count)
    workspace.initialize(repeating: 0)
    spaces = .allocate(capacity: threads * spacePerThread)
    spaces.initialize(repeating: 0)
  }

  deinit {
    workspace.deallocate()
    spaces.deallocate()
  }

  /// How many threads have a block of the largest matrix.
  static func usefulThreads(_ programs: RulePrograms) -> Int {
    var most = 1
    for program in programs.list.indices {
      for matrix in programs.matrices(of: program) {
        let (rows, columns) = ((matrix.shorter + 95) / 96, (matrix.longer + 127) / 128)
        most = max(most, rows * columns)
      }
    }
    return most
  }
}

/// An iteration over the matrices of a program in host memory. Allocates nothing in a step.
final class HostMatrices {
  /// A batch with the blocks of its results: of matrices, and of square ones.
  private struct Part {
    let steps: [descent_matrix_step]
    let matrices: [descent_matrix]
    let whole: Blocks
    let squares: Blocks
  }

  private struct Blocks {
    let list: [descent_matrix_block]
    let rows: Int
    let columns: Int
  }

  private let parts: [Part]
  private let state: UnsafeMutablePointer<Float>
  private let numbers: UnsafePointer<Float>
  private let memory: MatrixMemory

  /// nil where the pass is none over matrices.
  init?(
    _ programs: RulePrograms, program: Int, pass: Int, leftOut: [Bool], isIdle: (Int) -> Bool,
    states: [ElementPointer], memory: MatrixMemory?, _ instructions: HostKernels, threads: Int
  ) {
    guard let memory,
      case .iteration(let iteration, let state, let number) = programs.list[program].passes[pass]
        .work,
      let state = programs.index(of: state, in: program),
      let number = programs.index(of: number, in: program)
    else { return nil }
    let plan = MatrixPlan(
      iteration,
      over: programs.matrices(of: program, leftOut: leftOut, isIdle: isIdle),
      pieces: Pieces(count: programs.states[program].count), workspace: memory.batch)
    let tile = instructions.matrixTile
    parts = plan.batches.map { batch in
      func blocks(ofSquare isSquare: Bool) -> Blocks {
        let all = Blocks(
          list: batch.blocks(ofSquare: isSquare, rows: memory.rows, columns: memory.columns),
          rows: memory.rows, columns: memory.columns)
        let (rows, columns) = (
          max(1, memory.rows / tile.rows / 2) * tile.rows,
          max(1, memory.columns / tile.columns / 2) * tile.columns
        )
        if threads == 1 || all.list.count >= 4 * threads { return all }
        return Blocks(
          list: batch.blocks(ofSquare: isSquare, rows: rows, columns: columns), rows: rows,
          columns: columns)
      }
      return Part(
        steps: batch.steps, matrices: batch.matrices, whole: blocks(ofSquare: false),
        squares: blocks(ofSquare: true))
    }
    (self.state, numbers) = (states[state].floats, UnsafePointer(states[number].floats))
    self.memory = memory
  }

  func run(_ instructions: HostKernels, _ pool: WorkerPool?) {
    for part in parts {
      for step in part.steps {
        let blocks = step.isSquare ? part.squares : part.whole
        part.matrices.withUnsafeBufferPointer { matrices in
          blocks.list.withUnsafeBufferPointer { list in
            run(step, matrices, list, blocks.rows, blocks.columns, instructions, pool)
          }
        }
      }
    }
  }

  private func run(
    _ step: descent_matrix_step, _ matrices: UnsafeBufferPointer<descent_matrix>,
    _ blocks: UnsafeBufferPointer<descent_matrix_block>, _ rows: Int, _ columns: Int,
    _ instructions: HostKernels, _ pool: WorkerPool?
  ) {
    let job = MatrixJob(
      kernel: instructions.matrixStep, step: step, matrices: matrices, blocks: blocks, rows: rows,
      columns: columns, state: state, workspace: memory.workspace.baseAddress, numbers: numbers,
      spaces: memory.spaces.baseAddress, spacePerThread: memory.spacePerThread)
    guard let pool, blocks.count > 1 else {
      for block in blocks.indices { job.run(block, worker: 0) }
      return
    }
    withUnsafePointer(to: job) { job in
      pool.run(blocks: blocks.count, context: job) { job, block, worker in
        job.assumingMemoryBound(to: MatrixJob.self).pointee.run(block, worker: worker)
      }
    }
  }
}

/// The blocks of one step. Any thread can compute any block.
private struct MatrixJob {
  let kernel: descent_matrix_work
  let step: descent_matrix_step
  let matrices: UnsafeBufferPointer<descent_matrix>
  let blocks: UnsafeBufferPointer<descent_matrix_block>
  let rows: Int
  let columns: Int
  let state: UnsafeMutablePointer<Float>
  let workspace: UnsafeMutablePointer<Float>?
  let numbers: UnsafePointer<Float>
  let spaces: UnsafeMutablePointer<Float>?
  let spacePerThread: Int

  func run(_ index: Int, worker: Int) {
    guard let block = blocks.baseAddress, let space = spaces else { return }
    withUnsafePointer(to: step) { step in
      kernel(
        step, matrices.baseAddress, block + index, Int32(rows), Int32(columns), state, workspace,
        numbers, space + worker * spacePerThread)
    }
  }
}
