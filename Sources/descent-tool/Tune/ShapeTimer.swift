#if OpenCL
import Descent
import OpenCLHost

/// Times one rule's steps on one device, over vectors that stay there.
struct ShapeTimer {
  let queue: CommandQueue
  private let rule: any UpdateRule
  private let layout: ParameterLayout
  private let parameters: Buffer<Float>
  private let gradients: Buffer<Float>
  /// Steps of one measurement, so that it outlasts what a launch costs the host.
  private var steps = 1

  init(_ rule: any UpdateRule, count: Int, queue: CommandQueue) throws {
    self.queue = queue
    self.rule = rule
    var layout = ParameterLayout()
    // For a rule over matrices a row: what is timed is the pass over the elements.
    try layout.append("parameters", shape: rule.needsMatrices ? [1, count] : [count])
    self.layout = layout
    parameters = try Buffer(queue.context, count: count)
    gradients = try Buffer(queue.context, count: count)
    // Ordinary numbers, which stay so: denormals would slow some processors down.
    try parameters.fill(with: 1, on: queue)
    try gradients.fill(with: 0.01, on: queue)
    try queue.finish()
  }

  /// More elements than caches hold, where the device has room: parameters, gradients and the last
  /// rounds' four optimizers, of three states each at most, stay below a quarter of its memory.
  static func defaultCount(for device: Device) -> Int {
    max(1, min(1 << 24, device.globalMemory / 256, device.largestAllocation / 4))
  }

  /// An optimizer of this shape that has taken a step, so that its kernel is built.
  func optimizer(_ shape: LaunchShape) throws -> Optimizer {
    let optimizer = try Optimizer(rule, layout: layout, on: .openCL(queue, shape: shape))
    try optimizer.enqueueStep(parameters, gradients: gradients).wait()
    return optimizer
  }

  /// Finds out how many steps last five milliseconds.
  mutating func calibrate(_ optimizer: Optimizer) throws {
    steps = 1
    let once = try seconds(optimizer)
    steps = once > 0 ? min(max(Int(0.005 / once), 1), 100) : 100
  }

  /// The time of a step, in seconds.
  func seconds(_ optimizer: Optimizer) throws -> Double {
    let start = ContinuousClock.now
    var last: Event?
    for _ in 0..<steps { last = try optimizer.enqueueStep(parameters, gradients: gradients) }
    try last?.wait()
    return (ContinuousClock.now - start) / .seconds(1) / Double(steps)
  }
}
#endif
