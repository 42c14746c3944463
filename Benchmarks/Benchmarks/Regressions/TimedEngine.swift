import Descent
import OpenCLHost

/// The CPU engine or an OpenCL device.
struct TimedEngine: Sendable {
  /// `cpu`, `opencl:0`.
  let name: String
  /// nil for the CPU engine.
  let device: Device?

  /// Those of this machine.
  static var all: [TimedEngine] {
    [TimedEngine(name: "cpu", device: nil)]
      + Device.all.enumerated().filter { $1.isAvailable }
      .map { TimedEngine(name: "opencl:\($0)", device: $1) }
  }

  func steps(_ rule: any UpdateRule, _ layout: ParameterLayout) throws -> any TimedSteps {
    guard let device else { return try HostSteps(rule, layout) }
    return try DeviceSteps(rule, layout, on: device)
  }
}

/// An optimizer with its vectors.
protocol TimedSteps: AnyObject {
  var optimizer: Optimizer { get }

  /// Takes steps, and waits for them.
  func take(_ count: Int) throws
}

/// Parameters and gradients in host memory, from a page on.
final class HostVectors {
  private let parameters: UnsafeMutableBufferPointer<Float>
  private let gradients: UnsafeMutableBufferPointer<Float>

  init(count: Int) {
    (parameters, gradients) = (Self.vector(count), Self.vector(count))
    parameters.initialize(repeating: 0.5)
    // Neither so small nor so large that states leave the normal numbers.
    gradients.initialize(repeating: 0x1p-10)
  }

  deinit {
    parameters.deallocate()
    gradients.deallocate()
  }

  private static func vector(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableRawBufferPointer.allocate(
      byteCount: count * MemoryLayout<Float>.stride, alignment: 4096
    ).bindMemory(to: Float.self)
  }

  func step(_ optimizer: Optimizer) throws {
    try optimizer.step(parameters, gradients: UnsafeBufferPointer(gradients))
  }
}

/// Steps of the CPU engine.
final class HostSteps: TimedSteps {
  let optimizer: Optimizer
  private let vectors: HostVectors

  init(_ rule: any UpdateRule, _ layout: ParameterLayout) throws {
    optimizer = try Optimizer(rule, layout: layout, on: .cpu)
    vectors = HostVectors(count: layout.count)
  }

  func take(_ count: Int) throws {
    for _ in 0..<count { try vectors.step(optimizer) }
  }
}

/// Steps over a device's memory, enqueued one after another with one wait at the end.
final class DeviceSteps: TimedSteps {
  let optimizer: Optimizer
  private let queue: CommandQueue
  private let parameters: Buffer<Float>
  private let gradients: Buffer<Float>

  init(_ rule: any UpdateRule, _ layout: ParameterLayout, on device: Device) throws {
    queue = try CommandQueue(Context(device))
    optimizer = try Optimizer(rule, layout: layout, on: .openCL(queue))
    parameters = try Buffer(queue.context, count: layout.count)
    gradients = try Buffer(queue.context, count: layout.count)
    try parameters.fill(with: 0.5, on: queue)
    try gradients.fill(with: 0x1p-10, on: queue)
  }

  func enqueue() throws { try optimizer.enqueueStep(parameters, gradients: gradients) }

  func finish() throws { try queue.finish() }

  func take(_ count: Int) throws {
    for _ in 0..<count { try enqueue() }
    try finish()
  }
}
