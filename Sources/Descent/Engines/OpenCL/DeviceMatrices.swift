#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// How a device computes the blocks of products: Kernels/matrix_kernels.cl.
enum MatrixForm: Hashable {
  /// An item for each block, from packed panels in local memory, as processors need it.
  case items(lanes: Int, rows: Int, columns: Int)
  /// A group of 16 × 16 items for each block.
  case groups

  /// Rows and columns of a block.
  var block: (rows: Int, columns: Int) {
    switch self {
    case .items(_, let rows, let columns): (rows, columns)
    case .groups: (128, 128)
    }
  }

  /// The sides of a work-group.
  var group: Int { self == .groups ? 16 : 1 }

  /// Bytes of local memory that a group needs.
  var localBytes: Int {
    let numbers =
      self == .groups
      ? 2 * Self.depth * width : descent_block_space(block.rows, block.columns)
    return numbers * MemoryLayout<Float>.stride
  }

  /// The k that a group of items has in local memory at a time, and how far apart these are: such
  /// that items with different k and rows store to different banks.
  private static let depth = 8
  private var width: Int { block.rows + 4 }

  var defines: [String] {
    let own = ["MOST_ROWS=\(block.rows)", "MOST_COLUMNS=\(block.columns)"]
    if case .items(let lanes, _, _) = self { return own + ["VECTORS=2", "LANES=\(lanes)"] }
    return own + ["SIDE=\(group)", "DEPTH=\(Self.depth)", "WIDTH=\(width)"]
  }

  /// The form that is taken first on a device.
  init(for device: Device) throws { self = try Self.forms(for: device)[0] }

  /// The forms for a device, the best first. Throws ``DescentError/unsupported(_:)`` where none
  /// fits.
  static func forms(for device: Device) throws -> [Self] {
    let lanes = [16, 8].first { device.nativeFloatLanes >= $0 } ?? 4
    // In multiples of 6 rows and of 32 columns, the most that a tile has.
    let sizes = [(96, 128), (48, 64), (24, 32), (12, 32)]
    let items = sizes.map { Self.items(lanes: lanes, rows: $0.0, columns: $0.1) }
      .first { $0.localBytes <= device.localMemory }
    let groups: Self? =
      device.maximumWorkGroupSize >= 256 && device.localMemory >= Self.groups.localBytes
      ? .groups : nil
    let forms = (device.type.contains(.cpu) ? [items, groups] : [groups, items]).compactMap { $0 }
    guard !forms.isEmpty else {
      throw DescentError.unsupported(
        "products of matrices on \(device.name), which has work-groups of "
          + "\(device.maximumWorkGroupSize) items and \(device.localMemory) bytes of local memory")
    }
    return forms
  }

  /// The kernel of an iteration.
  func kernel(isControlled: Bool, _ context: Context, _ logger: Logger?) throws -> Kernel {
    // The form for items has vectors of lanes.
    let files: [ProgramText.File] = self == .groups ? [] : [.lanes]
    let kernel = try ProgramText(
      "matrix", files + [.matrix, .matrixKernels],
      defines: self.defines + (isControlled ? ["CONTROLLED"] : [])
    ).make(in: context, logger: logger).kernel(named: "matrix_step")
    let items = group * group
    guard kernel.maximumWorkGroupSize >= items else {
      throw DescentError.unsupported(
        "products of matrices on \(context.device.name), whose driver allows the kernel "
          + "\(kernel.maximumWorkGroupSize) items rather than \(items)")
    }
    return kernel
  }
}

/// The memory of iterations over matrices on a device.
struct DeviceMatrixMemory {
  /// Numbers of a batch that is not a single matrix: enough to keep a GPU busy.
  static let batch = 1 << 26

  let workspace: Buffer<Float>
  let form: MatrixForm
  /// Of a batch.
  let limit: Int

  /// nil for programs without such iterations.
  init?(_ programs: RulePrograms, _ context: Context, logger: Logger?) throws {
    let matrices = programs.list.indices.flatMap { programs.matrices(of: $0) }
    if matrices.isEmpty { return nil }
    limit = min(Self.batch, context.largestAllocation / MemoryLayout<Float>.stride)
    let count = MatrixPlan.workspace(of: matrices, atMost: limit)
    guard count <= context.largestAllocation / MemoryLayout<Float>.stride else {
      throw DescentError.unsupported(
        "a matrix whose workspace of \(count) numbers is longer than the largest allocation of "
          + context.device.name)
    }
    // As in DeviceStates.
    if context.device.sharesHostMemory {
      try checkMemory(count, stride: MemoryLayout<Float>.stride)
    }
    workspace = try Buffer(context, count: count)
    form = try Self.form(context, logger)
  }
}

extension DeviceMatrixMemory {
  /// The first form whose kernels the driver builds and allows, for steps that the device decides
  /// and others.
  private static func form(_ context: Context, _ logger: Logger?) throws -> MatrixForm {
    var failure: any Error = DescentError.unsupported("products of matrices")
    for form in try MatrixForm.forms(for: context.device) {
      do {
        for isControlled in [false, true] {
          _ = try form.kernel(isControlled: isControlled, context, logger)
        }
        return form
      } catch {
        failure = error
      }
    }
    throw failure
  }
}

/// An iteration over the matrices of a program on a device: a launch for each of its steps, over
/// all matrices of a batch.
final class DeviceMatrices {
  let kind: DeviceStepKind
  private let parts: [Part]
  private let kernel: Kernel
  private let memory: DeviceMatrixMemory
  private let numbers: DeviceSlice
  /// The segments of the state.
  private let state: [DeviceSlice]

  private struct Part {
    let steps: [descent_matrix_step]
    let piece: Int
    let matrices: Buffer<descent_matrix>
    let whole: Buffer<descent_matrix_block>
    let squares: Buffer<descent_matrix_block>
  }

  /// - Parameters:
  ///   - pieces: how states are cut.
  ///   - state: the segments of a state by its index, and
  ///   - numbers: the memory of one of another shape.
  init?(
    _ programs: RulePrograms, program: Int, pass: Int, _ kind: DeviceStepKind, pieces: Pieces,
    state: (Int) -> [DeviceSlice]?,
    numbers: (Int) -> DeviceSlice?, memory: DeviceMatrixMemory?, _ context: Context,
    logger: Logger?
  ) throws {
    guard let memory,
      case .iteration(let iteration, let name, let number) = programs.list[program].passes[pass]
        .work, let segments = programs.index(of: name, in: program).flatMap(state),
      let divisors = programs.index(of: number, in: program).flatMap(numbers)
    else { return nil }
    self.kind = kind
    (self.memory, self.numbers, self.state) = (memory, divisors, segments)
    let plan = MatrixPlan(
      iteration,
      over: programs.matrices(
        of: program, leftOut: kind.leftOut, isIdle: { kind.isFrozen[$0] }),
      pieces: pieces, workspace: memory.limit)
    let block = memory.form.block
    parts = try plan.batches.map { batch in
      func blocks(ofSquare isSquare: Bool) throws -> Buffer<descent_matrix_block> {
        try Buffer(
          context,
          copying: batch.blocks(ofSquare: isSquare, rows: block.rows, columns: block.columns))
      }
      return Part(
        steps: batch.steps, piece: batch.piece,
        matrices: try Buffer(context, copying: batch.matrices),
        whole: try blocks(ofSquare: false), squares: try blocks(ofSquare: true))
    }
    kernel = try memory.form.kernel(isControlled: kind.isControlled, context, logger)
  }

  /// Enqueues the iteration.
  ///
  /// - Parameters:
  ///   - control: what says whether the step is skipped, where the device decides.
  ///   - enqueued: takes every command's event; each waits for the one before.
  func enqueue(
    control: Buffer<descent_control>?, on queue: CommandQueue, after events: [Event],
    enqueued: (Event) -> Void
  ) throws {
    var after = events
    let side = memory.form.group
    for part in parts {
      try kernel.setArgument(1, part.matrices)
      try kernel.setArgument(3, state[part.piece].buffer)
      try kernel.setArgument(4, memory.workspace)
      try kernel.setArgument(5, numbers.buffer)
      if let control { try kernel.setArgument(6, control) }
      for step in part.steps {
        let blocks = step.isSquare ? part.squares : part.whole
        try kernel.setArgument(0, step)
        try kernel.setArgument(2, blocks)
        let event = try kernel.enqueue(
          on: queue, global: (blocks.count * side, side, 1), local: (side, side, 1),
          after: after)
        enqueued(event)
        after = [event]
      }
    }
  }
}
#endif
