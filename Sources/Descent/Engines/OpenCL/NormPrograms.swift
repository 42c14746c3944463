#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// The kernels of a norm, all in one shape.
struct NormKernels {
  let tiles: Kernel
  let fold: Kernel
  let decide: Kernel

  /// - Parameters:
  ///   - type: of the gradients.
  ///   - accumulated: whether a sum of earlier gradients is added to them.
  init(_ programs: NormPrograms, of type: ElementType, accumulated: Bool) throws {
    let program = try programs.program(of: type, accumulated: accumulated)
    tiles = try program.kernel(named: "norm_tiles")
    fold = try program.kernel(named: "norm_fold")
    decide = try program.kernel(named: "norm_decide")
  }
}

/// The kernels of sums of terms, all in one shape.
struct SumKernels {
  let tiles: Kernel
  let fold: Kernel
  let values: Kernel

  init(_ programs: NormPrograms, ofSquares: Bool, isControlled: Bool) throws {
    let program = try programs.program(ofSquares: ofSquares, isControlled: isControlled)
    tiles = try program.kernel(named: "norm_tiles")
    fold = try program.kernel(named: "norm_fold")
    values = try program.kernel(named: "sum_values")
  }
}

/// How the norm's 256 accumulators are spread over work-items. It changes no bit: their order is
/// fixed.
struct NormShape: Equatable {
  /// One for each accumulator.
  static let accumulators = Int(DESCENT_ACCUMULATORS)

  /// Items of a group that adds up together, a power of two up to `accumulators`.
  private(set) var items: Int
  /// Whether an item sums a tile, as on a processor; elsewhere a group does, with an item for each
  /// accumulator.
  private(set) var itemPerTile: Bool

  /// - Parameter largestGroup: what the device allows.
  init(itemPerTile: Bool, largestGroup: Int) {
    (items, self.itemPerTile) = (Self.accumulators, itemPerTile)
    shrink(to: largestGroup)
  }

  /// The work-group of a launch over tiles; nil leaves it to the driver. PoCL 3.1 ends the process
  /// where it has to choose a size and 1 is the largest.
  var tileGroup: Int? { itemPerTile && items > 1 ? nil : items }
  func tileItems(_ tiles: Int) -> Int { itemPerTile ? tiles : tiles * items }

  /// Follows a limit of the driver's.
  mutating func shrink(to limit: Int) {
    while items > max(1, limit) { items /= 2 }
    if items < Self.accumulators { itemPerTile = true }
  }
}

/// The program of the norm's kernels for a context's device.
struct NormPrograms {
  let context: Context
  private(set) var shape: NormShape
  var logger: Logger?

  init(context: Context, groupPerTile: Bool?, logger: Logger? = nil) {
    (self.context, self.logger) = (context, logger)
    shape = NormShape(
      itemPerTile: groupPerTile.map { !$0 } ?? context.device.type.contains(.cpu),
      largestGroup: context.device.maximumWorkGroupSize)
  }

  /// The kernels over gradients of a type, in a shape that the driver allows them, which may be
  /// less than the device allows.
  mutating func fit(_ type: ElementType, accumulated: Bool) throws -> NormKernels {
    try Descent.fit(&self) {
      try NormKernels($0, of: type, accumulated: accumulated)
    } shrink: { programs, made in
      let before = programs.shape
      if !before.itemPerTile { programs.shape.shrink(to: made.tiles.maximumWorkGroupSize) }
      programs.shape.shrink(to: made.fold.maximumWorkGroupSize)
      return programs.shape != before
    }
  }

  /// The same for sums of terms.
  mutating func fitSums(ofSquares: Bool, isControlled: Bool) throws -> SumKernels {
    try Descent.fit(&self) {
      try SumKernels($0, ofSquares: ofSquares, isControlled: isControlled)
    } shrink: { programs, made in
      let before = programs.shape
      if !before.itemPerTile { programs.shape.shrink(to: made.tiles.maximumWorkGroupSize) }
      programs.shape.shrink(to: made.fold.maximumWorkGroupSize)
      programs.shape.shrink(to: made.values.maximumWorkGroupSize)
      return programs.shape != before
    }
  }

  func program(of type: ElementType, accumulated: Bool) throws -> Program {
    try program(type.defines + (accumulated ? ["ACCUMULATED"] : []))
  }

  func program(ofSquares: Bool, isControlled: Bool) throws -> Program {
    try program(
      ["OF_TERMS"] + (ofSquares ? [] : ["PLAIN"]) + (isControlled ? ["CONTROLLED"] : []))
  }

  private func program(_ options: [String]) throws -> Program {
    var defines = ["ITEMS=\(shape.items)", "LANES=\(shape.itemPerTile ? 16 : 1)"]
    if shape.itemPerTile { defines += ["ITEM_PER_TILE", "SPACE=global"] }
    defines += options
    let files: [ProgramText.File] =
      [.lanes, .storage, .elements, .norm, .beside] + (shape.itemPerTile ? [.itemTile] : []) + [
        .normKernels
      ]
    return try ProgramText("norm", files, defines: defines)
      .make(in: context, logger: logger)
  }
}
#endif
