#if OpenCL
import Descent
import DescentCeiling
import OpenCLHost

/// The ceiling's pass on an OpenCL device.
final class DeviceCeiling {
  /// Parameters and states, of which a pass updates the first.
  let written: [DeviceVector]
  /// Gradients and vectors of zeros, of which a pass reads the first.
  private let read: [DeviceVector]
  private var kernels: [PassStreams: Kernel] = [:]
  private let context: Context
  private let shape: LaunchShape

  init(
    _ queue: CommandQueue, written: [DeviceVector], read: [DeviceVector], shape: LaunchShape
  ) {
    (self.written, self.read) = (written, read)
    (self.shape, context) = (shape, queue.context)
  }

  /// Built on first use.
  private func kernel(_ streams: PassStreams) throws -> Kernel {
    if let kernel = kernels[streams] { return kernel }
    let own = ProgramText.File(name: "ceiling.cl", text: String(cString: ceiling_kernel_text()))
    let program = ProgramText(
      "ceiling", [.lanes, .states, own],
      defines: shape.defines + ["STATES=0", "WRITTEN=\(streams.written)", "READ=\(streams.read)"])
    let kernel = try program.make(in: context).kernel(named: "ceiling")
    kernels[streams] = kernel
    return kernel
  }

  /// Passes over so many streams each, one after the other, and the wait for them.
  func pass(_ passes: [PassStreams], times: Int, on queue: CommandQueue) throws {
    let block = shape.lanes * shape.groupSize
    let kernels = try passes.map(kernel)
    var last: Event?
    for (streams, kernel) in repeatElement(zip(passes, kernels), count: times).joined() {
      for (index, segment) in written[0].segments.enumerated() {
        try kernel.setArgument(0, UInt64(segment.count))
        let vectors = written.prefix(streams.written) + read.prefix(streams.read)
        for (place, vector) in vectors.enumerated() {
          try kernel.setArgument(1 + place, vector.segments[index])
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
  /// Shapes take turns, and another than the default has to be clearly faster: on a busy machine
  /// the luckiest of many would often be a slow one.
  ///
  /// - Parameter count: of the elements that a trial passes over; five vectors of 32 MiB are beyond
  ///   the caches of nearly all.
  static func fastestShape(on queue: CommandQueue, count: Int = 1 << 23) throws -> LaunchShape {
    let device = queue.device
    let isCPU = device.type.contains(.cpu)
    let groups = (isCPU ? [64, 256, 1024] : [128, 256, 512, 1024])
      .filter { $0 <= device.maximumWorkGroupSize }
    let standard = LaunchShape(for: device)
    let shapes =
      [standard]
      + (isCPU ? [8, 16] : [1, 2, 4]).flatMap { lanes in
        groups.map { LaunchShape(lanes: lanes, groupSize: $0) }
      }.filter { $0 != standard }
    let vectors = try (0..<5).map { _ in
      try DeviceVector(queue, count: count, repeating: [0])
    }
    let ceilings = shapes.map {
      DeviceCeiling(
        queue, written: Array(vectors[1...]), read: [vectors[0]], shape: $0)
    }
    // The first round touches the memory and finishes the builds.
    var rounds: [[Double]] = []
    for _ in 0..<8 {
      rounds.append(
        try ceilings.map { ceiling in
          try seconds { try ceiling.pass([PassStreams(read: 1, written: 4)], times: 1, on: queue) }
        })
    }
    let times = shapes.indices.map { shape in
      rounds.dropFirst().map { $0[shape] }.median ?? .infinity
    }
    let best = shapes.indices.min { times[$0] < times[$1] } ?? 0
    return times[best] < 0.95 * times[0] ? shapes[best] : standard
  }
}
#endif
