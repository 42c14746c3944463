import Descent

#if OpenCL
import OpenCLHost
#endif

/// An engine or device as a benchmark sees it.
final class BenchmarkDevice {
  /// As on the command line: `cpu`, `opencl:0`.
  let name: String
  /// What it is, for people.
  let description: String
  /// Empty for the engines of this processor.
  let driver: String
  let cases: [MemoryCase]
  /// Whether every bit of the reference is promised.
  let isExact: Bool

  private let choice: EngineChoice
  #if OpenCL
  let device: Device?
  private let queue: CommandQueue?
  private let shape: LaunchShape?
  #endif

  /// Looks for the shape in which the device makes its fastest pass, which takes about a second.
  ///
  /// - Parameters:
  ///   - threads: of the CPU engine and its ceiling; nil for the engine's own choice.
  ///   - allCases: whether to measure round trips where host and device share memory too.
  ///   - largestAllocation: lowers the most bytes that one buffer has, for tests.
  ///   - trialCount: elements of the vectors that shapes are tried on.
  init(
    _ engine: SelectedEngine, threads: Int? = nil, allCases: Bool = false,
    largestAllocation: Int? = nil, trialCount: Int = 1 << 23
  ) throws {
    name = engine.name
    isExact = engine.promisesSameBits
    choice = engine.name == "cpu" ? .cpu(threads: threads) : engine.choice
    #if OpenCL
    device = engine.device
    if let device = engine.device {
      let queue = try CommandQueue(Context(device, largestAllocation: largestAllocation))
      self.queue = queue
      shape = try DeviceCeiling.fastestShape(on: queue, count: trialCount)
      description = device.name
      driver = "\(device.platform.name), \(device.driverVersion)"
      cases = device.sharesHostMemory && !allCases ? [.resident] : MemoryCase.allCases
      return
    }
    (queue, shape) = (nil, nil)
    #endif
    cases = [.resident]
    driver = ""
    // The name that the engine has for vectors of some length: short ones take one thread.
    description = try Optimizer(SGD(), layout: ParameterLayout(count: 1 << 26), on: choice)
      .engineName
  }

  /// Whether the device's vectors are in this machine's memory.
  var sharesHostMemory: Bool {
    #if OpenCL
    device?.sharesHostMemory ?? true
    #else
    true
    #endif
  }

  /// Bytes of a memory of its own; nil where it uses this machine's.
  var ownMemory: Int? {
    #if OpenCL
    device.flatMap { $0.sharesHostMemory ? nil : $0.globalMemory }
    #else
    nil
    #endif
  }

  func makeWorkbench(
    _ layout: ParameterLayout, _ inputs: BenchmarkInputs, streams: PassStreams
  ) throws -> any Workbench {
    #if OpenCL
    if let queue, let shape {
      return try DeviceWorkbench(
        queue, name: name, layout: layout, inputs: inputs, streams: streams, shape: shape)
    }
    #endif
    return try HostWorkbench(choice, layout: layout, inputs: inputs, streams: streams)
  }
}
