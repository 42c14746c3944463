import Descent

#if OpenCL
import OpenCLHost
#endif

/// The engines that tests run on; of OpenCL devices those that promise the reference's bits.
package enum TestEngines {
  /// Each engine once.
  package static func each() throws -> [EngineChoice] {
    var engines = [EngineChoice.cpu, .reference]
    #if OpenCL
    engines += try TestDevices.queues.get().map { .openCL($0) }
    #endif
    return engines
  }

  /// The same, and what `.automatic` takes.
  package static func choices() throws -> [EngineChoice] { try [.automatic] + each() }

  /// Engines whose work is cut: each instruction set over small blocks, small work-groups, vectors
  /// in segments, host memory in chunks. Without the reference, which they are compared with.
  package static func cut(largestAllocation: Int = 1 << 18) throws -> [EngineChoice] {
    var engines = [EngineChoice.cpu]
    engines += InstructionSet.available.map { .cpu(threads: 3, instructions: $0, block: 1000) }
    #if OpenCL
    for queue in try TestDevices.queues.get() {
      engines.append(.openCL(queue))
      engines.append(.openCL(queue, shape: LaunchShape(lanes: 4, groupSize: 16, on: queue.device)))
      // Segments shorter than the vector, and room for the values of steps in flight.
      let context = try Context(queue.device, largestAllocation: largestAllocation)
      engines.append(.openCL(try CommandQueue(context)))
      engines.append(.openCL(queue, carrying: 5000))
    }
    #endif
    return engines
  }

  /// Engines whose work is cut into parts shorter than a tile, and the reference.
  package static func cutBelowTiles() throws -> [EngineChoice] {
    var engines = [
      EngineChoice.reference, .cpu, .cpu(threads: 3, instructions: .baseline, block: 16),
    ]
    #if OpenCL
    for queue in try TestDevices.queues.get() {
      engines.append(.openCL(queue, shape: LaunchShape(lanes: 4, groupSize: 16, on: queue.device)))
      engines.append(.openCL(queue))
      // Segments of 2,048 elements.
      let context = try Context(queue.device, largestAllocation: 8192)
      // A table of blocks of one element would be longer than such an allocation.
      let lanes = queue.device.maximumWorkGroupSize < 16 ? 16 : 1
      engines.append(
        .openCL(
          try CommandQueue(context),
          shape: LaunchShape(lanes: lanes, groupSize: 16, on: queue.device)))
    }
    #endif
    return engines
  }
}
