#if OpenCL
import Descent
import OpenCLHost

/// An OpenCL device, with a bare kernel over as many streams as a rule has.
final class DeviceWorkbench: Workbench {
  private let queue: CommandQueue
  private let name: String
  private let layout: ParameterLayout
  private let inputs: BenchmarkInputs
  private let gradients: DeviceVector
  private let ceiling: DeviceCeiling
  private let copied: DeviceVector
  /// Gradients in host memory; made for the first runner of such a case.
  private var pinnedGradients: PinnedVector?
  private var hostGradients: HostVector?

  /// - Parameters:
  ///   - streams: the most of either kind that a pass is made over.
  ///   - shape: how the ceiling's kernel is launched.
  init(
    _ queue: CommandQueue, name: String, layout: ParameterLayout, inputs: BenchmarkInputs,
    streams: PassStreams, shape: LaunchShape
  ) throws {
    (self.queue, self.name, self.layout, self.inputs) = (queue, name, layout, inputs)
    gradients = try DeviceVector(queue, count: layout.count, repeating: inputs.gradients)
    // As many elements as a step updates, without those between tensors.
    let count = layout.elementCount
    ceiling = try DeviceCeiling(
      queue,
      written: (0..<streams.written).map {
        try DeviceVector(queue, count: count, repeating: $0 == 0 ? inputs.parameters : [0])
      },
      read: [gradients]
        + (1..<max(1, streams.read)).map { _ in
          try DeviceVector(queue, count: count, repeating: [0])
        }, shape: shape)
    copied = try DeviceVector(queue, count: count, repeating: [0])
  }

  func makeRunner(_ rule: any UpdateRule, _ memoryCase: MemoryCase) throws -> any StepRunner {
    let optimizer = try Optimizer(rule, layout: layout, on: .openCL(queue))
    switch memoryCase {
    case .resident:
      return ResidentRunner(
        optimizer: optimizer, queue: queue,
        vector: try vector(inputs.parameters),
        gradients: gradients)
    case .pinned:
      let host = try pinnedGradients ?? pinned(inputs.gradients)
      pinnedGradients = host
      return PinnedRunner(
        optimizer: optimizer, queue: queue, host: try pinned(inputs.parameters),
        hostGradients: host, vector: try vector(inputs.parameters), gradients: gradients)
    case .pageable:
      let host =
        try hostGradients ?? HostVector(count: layout.count, repeating: inputs.gradients)
      hostGradients = host
      return HostRunner(
        optimizer: optimizer,
        vector: try HostVector(count: layout.count, repeating: inputs.parameters),
        gradients: host)
    }
  }

  private func vector(_ pattern: [Float]) throws -> DeviceVector {
    try DeviceVector(queue, count: layout.count, repeating: pattern)
  }

  private func pinned(_ pattern: [Float]) throws -> PinnedVector {
    try PinnedVector(queue, count: layout.count, repeating: pattern)
  }

  func pass(_ passes: [PassStreams], times: Int) throws {
    try ceiling.pass(passes, times: times, on: queue)
  }

  func copy(times: Int) throws {
    var last: Event?
    for _ in 0..<times {
      for (from, to) in zip(gradients.segments, copied.segments) {
        last = try from.copy(to: to, count: to.count, on: queue)
      }
    }
    try last?.wait()
  }

  func checkCeiling(_ expectation: CeilingExpectation) throws {
    let whole = [0..<layout.elementCount]
    for (expected, vector) in zip(expectation.vectors, ceiling.written) {
      try expected.check(vector.read(on: queue), whole, on: name)
    }
    try ExpectedVector(name: "the copy", pattern: inputs.gradients)
      .check(copied.read(on: queue), whole, on: name)
  }
}

/// Parameters and gradients stay in the device's memory.
private final class ResidentRunner: StepRunner {
  let optimizer: Optimizer
  private let queue: CommandQueue
  private let vector: DeviceVector
  private let gradients: DeviceVector

  init(optimizer: Optimizer, queue: CommandQueue, vector: DeviceVector, gradients: DeviceVector) {
    (self.optimizer, self.queue) = (optimizer, queue)
    (self.vector, self.gradients) = (vector, gradients)
  }

  func steps(_ times: Int) throws {
    var last: Event?
    let (parameters, gradients) = (vector.slices, gradients.slices)
    for _ in 0..<times { last = try optimizer.enqueueStep(parameters, gradients: gradients) }
    try last?.wait()
  }

  func parameters() throws -> [Float] { try vector.read(on: queue) }
}

/// Each step copies parameters and gradients to the device, and parameters back, without a wait in
/// between.
private final class PinnedRunner: StepRunner {
  let optimizer: Optimizer
  private let queue: CommandQueue
  private let host: PinnedVector
  private let hostGradients: PinnedVector
  private let vector: DeviceVector
  private let gradients: DeviceVector

  init(
    optimizer: Optimizer, queue: CommandQueue, host: PinnedVector, hostGradients: PinnedVector,
    vector: DeviceVector, gradients: DeviceVector
  ) {
    (self.optimizer, self.queue) = (optimizer, queue)
    (self.host, self.hostGradients) = (host, hostGradients)
    (self.vector, self.gradients) = (vector, gradients)
  }

  func steps(_ times: Int) throws {
    var last: Event?
    do {
      for _ in 0..<times {
        for (from, to) in [(host, vector), (hostGradients, gradients)] {
          for (from, to) in zip(from.segments, to.segments) {
            last = try to.enqueueWrite(UnsafeBufferPointer(from.memory), on: queue)
          }
        }
        last = try optimizer.enqueueStep(vector.slices, gradients: gradients.slices)
        for (from, to) in zip(vector.segments, host.segments) {
          last = try from.enqueueRead(into: to.memory, on: queue)
        }
      }
      try queue.flush()
      try last?.wait()
    } catch {
      // The memory must outlive what is under way.
      try? queue.finish()
      throw error
    }
  }

  func parameters() -> [Float] { host.elements }
}
#endif
