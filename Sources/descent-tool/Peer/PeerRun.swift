import Descent

#if OpenCL
import OpenCLHost
#endif

/// An optimizer with its parameters and gradients, where steps are timed.
protocol PeerRun: AnyObject {
  var optimizer: Optimizer { get }

  /// Takes `lead` steps, then times `steps` back to back with one wait at the end.
  func run(lead: Int, steps: Int) throws -> PeerTimes

  func parameters() throws -> [Float]
}

/// Times of all timed steps together, in seconds.
struct PeerTimes {
  /// By the host's clock, from the first call until all is done.
  var seconds: Double
  /// By the device's, from the first launch's beginning to the last one's end.
  var deviceSeconds: Double?
}

/// The CPU engine. Memory is aligned to 64 bytes, as that of the peers' arrays is.
final class HostPeerRun: PeerRun {
  let optimizer: Optimizer
  private let memory: [UnsafeMutableBufferPointer<Float>]

  init(_ peerCase: PeerCase, on choice: EngineChoice) throws {
    optimizer = try Optimizer(peerCase.rule, layout: peerCase.layout, on: choice)
    memory = [PeerInputs.parameter, PeerInputs.gradient].map { value in
      Self.vector(peerCase.layout.count, value)
    }
  }

  deinit { for vector in memory { vector.deallocate() } }

  private static func vector(
    _ count: Int, _ value: (Int) -> Float
  ) -> UnsafeMutableBufferPointer<Float> {
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: count * MemoryLayout<Float>.stride, alignment: 64)
    let vector = bytes.bindMemory(to: Float.self)
    for index in 0..<count { vector.initializeElement(at: index, to: value(index)) }
    return vector
  }

  func run(lead: Int, steps: Int) throws -> PeerTimes {
    let (parameters, gradients) = (memory[0], UnsafeBufferPointer(memory[1]))
    for _ in 0..<lead { try optimizer.step(parameters, gradients: gradients) }
    let begin = ContinuousClock.now
    for _ in 0..<steps { try optimizer.step(parameters, gradients: gradients) }
    return PeerTimes(seconds: (.now - begin) / .seconds(1))
  }

  func parameters() -> [Float] { Array(memory[0]) }
}

#if OpenCL
/// An OpenCL device, all vectors in its memory.
final class DevicePeerRun: PeerRun {
  let optimizer: Optimizer
  private let queue: CommandQueue
  private let values: Buffer<Float>
  private let gradients: Buffer<Float>

  init(_ peerCase: PeerCase, on device: Device) throws {
    queue = try CommandQueue(Context(device), profiling: peerCase.deviceTimes)
    optimizer = try Optimizer(peerCase.rule, layout: peerCase.layout, on: .openCL(queue))
    values = try Self.buffer(peerCase.layout.count, on: queue, PeerInputs.parameter)
    gradients = try Self.buffer(peerCase.layout.count, on: queue, PeerInputs.gradient)
  }

  /// Filled piece by piece, so that the host needs little memory for a large device.
  private static func buffer(
    _ count: Int, on queue: CommandQueue, _ value: (Int) -> Float
  ) throws -> Buffer<Float> {
    let buffer = try Buffer<Float>(queue.context, count: count)
    let piece = 1 << 22
    for start in stride(from: 0, to: count, by: piece) {
      try buffer.write((start..<min(start + piece, count)).map(value), at: start, on: queue)
    }
    return buffer
  }

  func run(lead: Int, steps: Int) throws -> PeerTimes {
    for _ in 0..<lead { try optimizer.enqueueStep(values, gradients: gradients) }
    try queue.finish()
    let begin = ContinuousClock.now
    let first = try optimizer.enqueueStep(values, gradients: gradients)
    var last = first
    for _ in 1..<steps { last = try optimizer.enqueueStep(values, gradients: gradients) }
    try queue.finish()
    var times = PeerTimes(seconds: (.now - begin) / .seconds(1))
    if queue.isProfiling {
      let (started, ended) = (try first.profile.started, try last.profile.ended)
      times.deviceSeconds = Double(ended - started) * 1e-9
    }
    return times
  }

  func parameters() throws -> [Float] { try values.read(on: queue) }
}
#endif
