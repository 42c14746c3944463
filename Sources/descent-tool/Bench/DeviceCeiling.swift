#if OpenCL
import Descent
import DescentCeiling
import OpenCLHost

/// The ceiling's pass on an OpenCL device.
final class DeviceCeiling {
  let parameters: DeviceVector
  let states: [DeviceVector]
  private let gradients: DeviceVector
  /// By the number of states.
  private var kernels: [Int: Kernel] = [:]
  private let context: Context
  private let shape: LaunchShape

  init(
    _ queue: CommandQueue, parameters: DeviceVector, gradients: DeviceVector,
    states: [DeviceVector], shape: LaunchShape
  ) {
    (self.parameters, self.gradients, self.states) = (parameters, gradients, states)
    (self.shape, context) = (shape, queue.context)
  }

  /// Built when it is first asked for.
  private func kernel(states: Int) throws -> Kernel {
    if let kernel = kernels[states] { return kernel }
    let program = try Program(
      context, sources: [("ceiling.cl", String(cString: ceiling_kernel_text()))],
      options: "-cl-std=CL1.2 -DLANES=\(shape.lanes) -DGROUP=\(shape.groupSize) "
        + "-DSTATES=\(states)")
    let kernel = try program.kernel(named: "ceiling")
    kernels[states] = kernel
    return kernel
  }

  /// Passes over so many states, and the wait for them.
  func pass(states stateCount: Int, times: Int, on queue: CommandQueue) throws {
    let block = shape.lanes * shape.groupSize
    let kernel = try kernel(states: stateCount)
    var last: Event?
    for _ in 0..<times {
      for (index, segment) in parameters.segments.enumerated() {
        try kernel.setArgument(0, UInt64(segment.count))
        try kernel.setArgument(1, segment)
        try kernel.setArgument(2, gradients.segments[index])
        for state in 0..<stateCount {
          try kernel.setArgument(3 + state, states[state].segments[index])
        }
        let groups = (segment.count + block - 1) / block
        last = try kernel.enqueue(
          on: queue, global: groups * shape.groupSize, local: shape.groupSize)
      }
    }
    try last?.wait()
  }

  /// The fastest of the shapes that may be: the ceiling is the device's, whatever shape rules are
  /// launched in. Takes about a second.
  ///
  /// - Parameter count: of the elements that a trial passes over; four vectors of 32 MiB are beyond the
  ///   caches of nearly all.
  static func fastestShape(on queue: CommandQueue, count: Int = 1 << 23) throws -> LaunchShape {
    let device = queue.device
    let isCPU = device.type.contains(.cpu)
    let groups = (isCPU ? [64, 256, 1024] : [128, 256, 512, 1024])
      .filter { $0 <= device.maximumWorkGroupSize }
    let shapes = (isCPU ? [8, 16] : [1, 2, 4]).flatMap { lanes in
      groups.map { LaunchShape(lanes: lanes, groupSize: $0) }
    }
    let vectors = try (0..<4).map { _ in
      try DeviceVector(queue, count: count, repeating: [0])
    }
    var best = (shape: LaunchShape(for: device), time: Double.infinity)
    for shape in shapes {
      let ceiling = DeviceCeiling(
        queue, parameters: vectors[0], gradients: vectors[1], states: Array(vectors[2...]),
        shape: shape)
      for round in 0..<4 {
        let time = try seconds { try ceiling.pass(states: 2, times: 1, on: queue) }
        // The first touches the memory and finishes the build.
        if round > 0, time < best.time { best = (shape, time) }
      }
    }
    return best.shape
  }
}
#endif
