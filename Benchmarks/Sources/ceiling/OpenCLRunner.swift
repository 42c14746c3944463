import CeilingPasses
import Descent
import OpenCLHost

/// A rule on an OpenCL device, its vectors in the device's memory, and a bare kernel over as many.
final class OpenCLRunner: Runner {
  let optimizer: Optimizer
  let name: String
  let driver: String
  let isExact: Bool
  private let queue: CommandQueue
  private let vectors: Vectors
  private let ceiling: Vectors
  private let kernel: Kernel
  /// Of the ceiling, and the fastest of those measured, whatever the rule's.
  private let shape: LaunchShape

  /// Parameters, gradients and states on the device.
  private struct Vectors {
    let parameters: Buffer<Float>
    let gradients: Buffer<Float>
    let states: [Buffer<Float>]

    init(_ host: HostVectors, on queue: CommandQueue) throws {
      parameters = try Buffer(queue.context, count: host.count)
      gradients = try Buffer(queue.context, count: host.count)
      try parameters.write(UnsafeBufferPointer(host.parameters), on: queue)
      try gradients.write(UnsafeBufferPointer(host.gradients), on: queue)
      states = try host.states.map { state in
        let buffer = try Buffer<Float>(queue.context, count: host.count)
        try buffer.write(UnsafeBufferPointer(state), on: queue)
        return buffer
      }
    }
  }

  init(
    _ rule: any UpdateRule, count: Int, device: Device, label: String, shape: LaunchShape
  ) throws {
    let queue = try CommandQueue(Context(device))
    let stateCount = rule.stateNames.count
    self.queue = queue
    self.shape = LaunchShape(lanes: device.type.contains(.cpu) ? 8 : 4, groupSize: 256)
    optimizer = try Optimizer(
      rule, layout: ParameterLayout(count: count), on: .openCL(queue, shape: shape))
    name = "\(label) \(shape.lanes)×\(shape.groupSize)"
    driver = "\(device.name), \(device.platform.name) \(device.driverVersion)"
    isExact = device.sameBits.isYes
    vectors = try Vectors(HostVectors(count: count, states: 0), on: queue)
    ceiling = try Vectors(HostVectors(count: count, states: stateCount), on: queue)
    let program = try Program(
      queue.context, sources: [("ceiling.cl", String(cString: ceiling_kernel_text()))],
      options: "-cl-std=CL1.2 -DLANES=\(self.shape.lanes) -DGROUP=\(self.shape.groupSize) "
        + "-DSTATES=\(stateCount)")
    kernel = try program.kernel(named: "ceiling")
    try kernel.setArgument(0, UInt64(count))
    try kernel.setArgument(1, ceiling.parameters)
    try kernel.setArgument(2, ceiling.gradients)
    for (index, state) in ceiling.states.enumerated() { try kernel.setArgument(3 + index, state) }
  }

  func step() throws {
    try optimizer.enqueueStep(vectors.parameters, gradients: vectors.gradients).wait()
  }

  func pass() throws {
    let block = shape.lanes * shape.groupSize
    let groups = (vectors.parameters.count + block - 1) / block
    try kernel.enqueue(on: queue, global: groups * shape.groupSize, local: shape.groupSize).wait()
  }

  func parameters() throws -> [Float] { try vectors.parameters.read(on: queue) }

  func passOutcome() throws -> [[Float]] {
    try ([ceiling.parameters] + ceiling.states).map { try $0.read(on: queue) }
  }
}
