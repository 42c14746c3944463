#if OpenCL
internal import DescentKernels
import OpenCLHost

/// The rules on an OpenCL device; states live there from birth.
final class OpenCLEngine: Engine {
  let name: String
  let queue: CommandQueue
  private let kernel: Kernel
  private let states: [Buffer<Float>]
  private let count: Int
  private let shape: LaunchShape
  /// Parameters and gradients of host memory on their way; made by the first such step.
  private var staging: (parameters: Buffer<Float>, gradients: Buffer<Float>)?
  /// The latest launch, until it is known to have ended well.
  private var lastStep: Event?

  init(_ rule: any UpdateRule, count: Int, queue: CommandQueue, shape: LaunchShape?) throws {
    let device = queue.device
    let shape = shape ?? LaunchShape(for: device)
    try shape.validate(on: device)
    let program = try Self.program(CompiledRule(rule.kernel), queue.context, shape)
    self.queue = queue
    self.count = count
    self.shape = shape
    kernel = try program.kernel(named: "update")
    states = try rule.stateNames.map { name in
      let buffer = try Buffer<Float>(queue.context, count: count)
      _ = try buffer.fill(with: Float(rule.initialValue(ofState: name)), on: queue)
      return buffer
    }
    name = "opencl (\(device.name), \(shape.lanes) lanes)"
  }

  private static func program(
    _ rule: CompiledRule, _ context: Context, _ shape: LaunchShape
  ) throws -> Program {
    var options =
      "-cl-std=CL1.2 -DLANES=\(shape.lanes) -DGROUP=\(shape.groupSize) "
      + "-DSTATES=\(rule.stateCount) -DVARIANT=\(rule.variant)"
    if context.device.hasCorrectlyRoundedDivideAndSquareRoot {
      options += " -cl-fp32-correctly-rounded-divide-sqrt"
    }
    let around = descent_program_texts()
    let parts: [(name: String, text: String)] = [
      ("list.inc", String(cString: around.options)),
      ("lanes.cl", String(cString: around.lanes)),
      ("prepare.cl", String(cString: around.prepare)),
      (rule.file, rule.text),
      ("update.cl", String(cString: around.update)),
    ]
    return try Program(context, sources: parts, options: options)
  }

  /// Host memory is lent to a device that shares it; otherwise it is carried to the device and back.
  func update(
    _ parameters: UnsafeMutableBufferPointer<Float>, _ gradients: UnsafeBufferPointer<Float>,
    _ step: StepInput
  ) throws {
    if queue.device.sharesHostMemory {
      let x = try Buffer(queue.context, lending: parameters)
      let g = try Buffer(
        queue.context, lending: UnsafeMutableBufferPointer(mutating: gradients))
      try enqueueAndFinish(x.whole, g.whole, step) { try x.synchronize(on: queue) }
    } else {
      let staging = try self.staging ?? makeStaging()
      self.staging = staging
      try staging.parameters.write(UnsafeBufferPointer(parameters), on: queue)
      try staging.gradients.write(gradients, on: queue)
      try enqueueAndFinish(staging.parameters.whole, staging.gradients.whole, step) {
        try staging.parameters.read(into: parameters, on: queue)
      }
    }
  }

  /// Once the launch is enqueued, a failure leaves the states in doubt.
  private func enqueueAndFinish(
    _ parameters: BufferSlice<Float>, _ gradients: BufferSlice<Float>, _ step: StepInput,
    _ fetch: () throws -> Void
  ) throws {
    do {
      let event = try enqueue(parameters, gradients, step, after: [])
      do {
        try event.wait()
        try fetch()
      } catch {
        throw TornStep(underlying: error)
      }
    } catch {
      // The memory is the caller's again on return, so nothing may run on it any more.
      try? queue.finish()
      throw error
    }
  }

  private func makeStaging() throws -> (parameters: Buffer<Float>, gradients: Buffer<Float>) {
    (try Buffer(queue.context, count: count), try Buffer(queue.context, count: count))
  }

  /// One launch over memory of the device, handed to it at once; does not wait.
  func enqueue(
    _ parameters: BufferSlice<Float>, _ gradients: BufferSlice<Float>, _ step: StepInput,
    after: [Event]
  ) throws -> Event {
    guard count > 0 else { return try queue.marker(after: after) }
    try step.withScalars { preparation, scalars in
      try kernel.setArgument(0, UInt64(count))
      try kernel.setArgument(1, bytes: preparation)
      try kernel.setArgument(2, bytes: scalars)
    }
    try kernel.setArgument(3, parameters.buffer)
    try kernel.setArgument(4, UInt64(parameters.range.lowerBound))
    try kernel.setArgument(5, gradients.buffer)
    try kernel.setArgument(6, UInt64(gradients.range.lowerBound))
    for (index, state) in states.enumerated() { try kernel.setArgument(7 + index, state) }
    let block = shape.lanes * shape.groupSize
    let groups = (count + block - 1) / block
    let event = try kernel.enqueue(
      on: queue, global: groups * shape.groupSize, local: shape.groupSize,
      // Each launch waits for the one before, so that the last tells of all.
      after: lastStep.map { after + [$0] } ?? after)
    lastStep = event
    do {
      try queue.flush()
    } catch {
      throw TornStep(underlying: error)
    }
    return event
  }

  func checkEnqueued() throws {
    guard let lastStep else { return }
    try forgettingFailure { if try lastStep.isComplete { self.lastStep = nil } }
  }

  func forgetEnqueued() {
    // Whether it failed no longer matters: its states are replaced.
    try? lastStep?.wait()
    lastStep = nil
  }

  private func forgettingFailure(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      lastStep = nil
      throw TornStep(underlying: error)
    }
  }

  func readState(_ index: Int, _ range: Range<Int>, into destination: UnsafeMutablePointer<Float>)
    throws
  {
    try forgettingFailure { try lastStep?.wait() }
    let target = UnsafeMutableBufferPointer(start: destination, count: range.count)
    try states[index].read(into: target, from: range.lowerBound, on: queue)
  }

  func writeState(_ index: Int, _ range: Range<Int>, from source: UnsafePointer<Float>) throws {
    try states[index].write(
      UnsafeBufferPointer(start: source, count: range.count), at: range.lowerBound, on: queue)
  }
}
#endif
