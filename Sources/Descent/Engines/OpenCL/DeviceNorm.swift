#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// The norm of a gradient on a device, and the decision that follows from it.
final class DeviceNorm {
  /// Of the step, as far as it decides: ``StepControl/takesNorms(like:)``.
  var control: StepControl
  let plan: NormPlan
  /// A coefficient for each clipping set.
  let coefficients: Buffer<Float>

  var programs: NormPrograms
  private let tensors: DeviceFold
  private let sets: DeviceFold
  private let limits: Buffer<descent_clipping>
  private let partials: Buffer<descent_partial>
  /// Those of the last step.
  private var kernels: NormKernels
  private var made: [Kind: NormKernels] = [:]
  /// Launches over tiles, one for each piece of the gradient, and how that and the sum are cut.
  private var launches: [TileLaunch] = []
  private var cut: (gradients: Pieces, sum: Pieces?)?

  private struct Kind: Hashable {
    let type: ElementType
    let accumulated: Bool
  }

  /// - Parameter groupPerTile: how tiles are summed; nil leaves it to the device's kind.
  init(
    _ layout: ParameterLayout, _ control: StepControl, _ context: Context,
    groupPerTile: Bool? = nil, logger: Logger? = nil
  ) throws {
    self.control = control
    plan = NormPlan(layout, control)
    var programs = NormPrograms(context: context, groupPerTile: groupPerTile, logger: logger)
    kernels = try programs.fit(.float32, accumulated: false)
    self.programs = programs
    made = [Kind(type: .float32, accumulated: false): kernels]
    tensors = try DeviceFold(plan.tensors, context)
    sets = try DeviceFold(plan.sets, context)
    limits = try Buffer(
      context,
      copying: plan.limits.map {
        descent_clipping(gradientScale: 1, limit: $0.limit, epsilon: $0.epsilon)
      })
    coefficients = try Buffer(context, copying: plan.limits.map { _ in Float(1) })
    partials = try Buffer(context, count: plan.tiles.count)
  }

  /// Makes the launches over a gradient of a type, cut like this, and over the sum of earlier
  /// gradients where there is one. Throws ``DescentError`` if they do not suit the tiles.
  func prepare(
    _ gradients: Pieces, of type: ElementType, sum: Pieces?, _ context: Context
  ) throws {
    let kind = Kind(type: type, accumulated: sum != nil)
    if let known = made[kind] {
      kernels = known
    } else {
      var fitted = programs
      kernels = try fitted.fit(type, accumulated: sum != nil)
      // Kernels in another shape are made again.
      if fitted.shape != programs.shape { made = [:] }
      (programs, made[kind]) = (fitted, kernels)
    }
    if let cut, cut == (gradients, sum) { return }
    let pieces = try plan.pieces(of: gradients)
    let segments = try sum.map { try plan.pieces(of: $0) }
    launches = try TileLaunch.launches(
      over: plan.tiles.indices.map { index in
        let (tile, piece, segment) = (plan.tiles[index], pieces[index], segments?[index] ?? 0)
        return TileLaunch.Tile(
          piece: piece, offset: -gradients.starts[piece],
          second: DevicePlan.Place(piece: segment, offset: -(sum?.starts[segment] ?? 0)),
          block: descent_block(start: tile.start, count: tile.count, group: 0, set: 0))
      }, context)
    cut = (gradients, sum)
  }

  /// Enqueues looking at the gradient and then deciding, which is the last command.
  ///
  /// - Parameters:
  ///   - sum: segments of the sum of earlier gradients, if there is one, as prepared.
  ///   - state: what `descent_control` says, on the device.
  ///   - enqueued: takes every command's event; each waits for the one before.
  func enqueue(
    _ gradients: [DeviceSlice], with sum: [DeviceSlice]? = nil, scale: Float,
    state: Buffer<descent_control>,
    on queue: CommandQueue, after events: [Event],
    enqueued: (Event) -> Void = { _ in }
  ) throws {
    var after = events
    let tileKernel = kernels.tiles
    for launch in launches {
      if let sum {
        try tileKernel.setArgument(6, sum[launch.second.piece].buffer)
        try tileKernel.setArgument(7, UInt64(bitPattern: Int64(launch.second.offset)))
      }
      let event = try launch.enqueue(
        tileKernel, over: gradients[launch.piece], to: partials, programs.shape, on: queue,
        after: after)
      enqueued(event)
      after = [event]
    }
    for (fold, terms) in [(tensors, partials), (sets, tensors.results)] where fold.count > 0 {
      let event = try fold.enqueue(
        kernels.fold, of: terms, items: programs.shape.items, on: queue, after: after)
      enqueued(event)
      after = [event]
    }
    let decideKernel = kernels.decide
    try decideKernel.setArgument(0, UInt32(plan.limits.count))
    try decideKernel.setArgument(1, sets.results)
    try decideKernel.setArgument(2, limits)
    try decideKernel.setArgument(3, control.decision)
    try decideKernel.setArgument(
      4, descent_clipping(gradientScale: scale, limit: .infinity, epsilon: 0))
    try decideKernel.setArgument(5, state)
    try decideKernel.setArgument(6, coefficients)
    enqueued(try decideKernel.enqueue(on: queue, global: 1, local: 1, after: after))
  }
}
#endif
