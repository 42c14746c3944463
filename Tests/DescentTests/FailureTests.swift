#if OpenCL
import Foundation
import OpenCLHost
import Testing

@testable import Descent

/// What is left behind when a device fails. Tests/FaultLayer makes the nth call of a function fail, in
/// a process of its own.
@Suite(.needsDevice) struct FailureTests {
  /// The layer, compiled once.
  private static let layer = Result {
    let source = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../FaultLayer/layer.c").standardizedFileURL
    let library = FileManager.default.temporaryDirectory
      .appending(path: "descent-fault-\(ProcessInfo.processInfo.processIdentifier).so")
    for compiler in ["clang", "cc"] {
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = [compiler, "-shared", "-fPIC", source.path, "-o", library.path]
      try process.run()
      process.waitUntilExit()
      if process.terminationStatus == 0 { return library.path }
    }
    throw CocoaError(.executableNotLoadable)
  }

  private static let start: [Float] = [1, 2, 3]
  private static let gradients: [Float] = [3, 2, 1]

  private static func setFault(_ layer: String, _ fault: String) {
    setenv("OPENCL_LAYERS", layer, 1)
    setenv("DESCENT_FAULT", fault, 1)
  }

  private static func optimizer() throws -> Optimizer {
    let device = try #require(Device.all.first)
    return try Optimizer(
      Adam(learningRate: 0.1), layout: ParameterLayout(count: 3), on: .openCL(device))
  }

  @Test("a device that is gone is an error, not another engine")
  func gone() async throws {
    let layer = try Self.layer.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      Self.setFault(layer, "clCreateContext:1:-2")
      let text = message { _ = try Self.optimizer() }
      try #require(text.hasPrefix("clCreateContext("))
      try #require(text.hasSuffix(") returned CL_DEVICE_NOT_AVAILABLE (-2)"))
    }
  }

  @Test("a launch that fails leaves all as it was, and the next step is the same step")
  func launch() async throws {
    let layer = try Self.layer.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      Self.setFault(layer, "clEnqueueNDRangeKernel:2:-5")
      let (optimizer, other) = (
        try Self.optimizer(),
        try Optimizer(
          Adam(learningRate: 0.1), layout: ParameterLayout(count: 3), on: .cpu)
      )
      var (x, expected) = (Self.start, Self.start)
      try optimizer.step(&x, gradients: Self.gradients)
      let before = (x, try optimizer.states())
      let text = message { try optimizer.step(&x, gradients: Self.gradients) }
      try #require(text.hasSuffix("returned CL_OUT_OF_RESOURCES (-5)"))
      try #require(x == before.0 && optimizer.stepCount == 1)
      try #require(try optimizer.states() == before.1)
      try optimizer.step(&x, gradients: Self.gradients)
      for _ in 1...2 { try other.step(&expected, gradients: Self.gradients) }
      try #require(x == expected && optimizer.stepCount == 2)
    }
  }

  @Test("a step torn after its launch is not forgotten until a state is restored")
  func torn() async throws {
    let layer = try Self.layer.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      Self.setFault(layer, "clEnqueueMapBuffer:2:-5")
      let optimizer = try Self.optimizer()
      var x = Self.start
      try optimizer.step(&x, gradients: Self.gradients)
      let saved = (x, try optimizer.states(), optimizer.stepCount)
      let text = message { try optimizer.step(&x, gradients: Self.gradients) }
      try #require(text.hasPrefix("clEnqueueMapBuffer("))
      let refusal = message { try optimizer.step(&x, gradients: Self.gradients) }
      try #require(refusal.hasPrefix("an earlier step failed after it had begun to write"))
      try #require(optimizer.stepCount == 1)
      x = saved.0
      try optimizer.restore(states: saved.1, stepCount: saved.2)
      try optimizer.step(&x, gradients: Self.gradients)
      let other = try Optimizer(
        Adam(learningRate: 0.1), layout: ParameterLayout(count: 3), on: .cpu)
      var expected = Self.start
      for _ in 1...2 { try other.step(&expected, gradients: Self.gradients) }
      try #require(optimizer.stepCount == 2 && x == expected)
    }
  }

  @Test("a step waits for the events that it is given, and fails with them")
  func failedEvent() throws {
    for queue in try TestDevices.queues.get() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 3), on: .openCL(queue))
      let own = try CommandQueue(queue.context)
      let parameters = try Buffer<Float>(queue.context, copying: Self.start)
      let gradients = try Buffer<Float>(queue.context, copying: Self.gradients)
      let ready = try UserEvent(queue.context)
      let updated = try optimizer.enqueueStep(
        parameters, gradients: gradients, after: [ready.event])
      try ready.complete()
      try updated.wait()
      #expect(try parameters.read(on: own) == [-2, 0, 2])

      let failing = try UserEvent(queue.context)
      let doomed = try optimizer.enqueueStep(
        parameters, gradients: gradients, after: [failing.event])
      try failing.fail(status: -5)
      #expect(message { try doomed.wait() } != "no error")
      #expect(try parameters.read(on: own) == [-2, 0, 2])
      // It was counted when it was enqueued, so the optimizer must not go on from there.
      #expect(
        message { try optimizer.enqueueStep(parameters, gradients: gradients) } != "no error")
      #expect(
        message { try optimizer.enqueueStep(parameters, gradients: gradients) }
          .hasPrefix("an earlier step failed"))
      try optimizer.restore(states: [:], stepCount: 1)
      try optimizer.enqueueStep(parameters, gradients: gradients).wait()
      #expect(try parameters.read(on: own) == [-5, -2, 1])
    }
  }
}
#endif
