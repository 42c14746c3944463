import DescentTestSupport

#if OpenCL
import Foundation
import OpenCLHost
import Testing

@testable import Descent

/// What is left behind when a device fails. Tests/FaultLayer makes the nth call of a function fail,
/// in a process of its own.
@Suite(.needsDevice) struct FailureTests {
  private static let start: [Float] = [1, 2, 3]
  private static let gradients: [Float] = [3, 2, 1]

  private static func optimizer() throws -> Optimizer {
    let device = try #require(TestDevices.devices.first)
    return try Optimizer(
      Adam(learningRate: 0.1), layout: ParameterLayout(count: 3), on: .openCL(device))
  }

  /// The same where nothing fails.
  private static func twin() throws -> Optimizer {
    try Optimizer(Adam(learningRate: 0.1), layout: ParameterLayout(count: 3), on: .cpu)
  }

  @Test("a device that is gone is an error, not another engine")
  func gone() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer, fault: "clCreateContext:1:-2")
      let text = message { _ = try Self.optimizer() }
      try #require(text.hasPrefix("clCreateContext("))
      try #require(text.hasSuffix(") returned CL_DEVICE_NOT_AVAILABLE (-2)"))
    }
  }

  @Test("a launch that fails leaves all as it was, and the next step is the same step")
  func launch() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer, fault: "clEnqueueNDRangeKernel:2:-5")
      let (optimizer, other) = (try Self.optimizer(), try Self.twin())
      var (x, expected) = (Self.start, Self.start)
      try optimizer.step(&x, gradients: Self.gradients)
      let before = (x, try optimizer.states())
      let text = message { try optimizer.step(&x, gradients: Self.gradients) }
      try #require(text.hasSuffix("returned CL_OUT_OF_RESOURCES (-5)"))
      try #require(try x == before.0 && optimizer.stepCount == 1)
      try #require(try optimizer.states() == before.1)
      try optimizer.step(&x, gradients: Self.gradients)
      for _ in 1...2 { try other.step(&expected, gradients: Self.gradients) }
      try #require(try x == expected && optimizer.stepCount == 2)
    }
  }

  /// A step that reads its gradient first: launches over tiles, tensors and sets come before the
  /// decision.
  @Test("a launch that is refused before the decision leaves all as it was", arguments: 1...4)
  func refusedNorm(launch: Int) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String, launch = launch as Int] in
      CallLayer.load(layer, fault: "clEnqueueNDRangeKernel:\(launch):-54")
      let (optimizer, other) = (try Self.optimizer(), try Self.twin())
      for one in [optimizer, other] {
        one.clipping = .globalNorm(1)
        try one.setLossScale(LossScale(scale: 4, growthInterval: 1))
      }
      var (x, expected) = (Self.start, Self.start)
      let text = message { try optimizer.step(&x, gradients: Self.gradients) }
      try #require(text.hasSuffix("returned CL_INVALID_WORK_GROUP_SIZE (-54)"))
      try #require(try x == Self.start && optimizer.stepCount == 0)
      try #require(try optimizer.states() == other.states())
      try #require(try optimizer.lossScale == other.lossScale)
      for _ in 1...2 {
        try optimizer.step(&x, gradients: Self.gradients)
        try other.step(&expected, gradients: Self.gradients)
      }
      try #require(try x == expected && optimizer.stepCount == 2)
      try #require(try optimizer.states() == other.states())
    }
  }

  @Test("a state that could not be filled marks the optimizer", arguments: ["now", "later"])
  func birth(how: String) async throws { try await unfilled(how, inOrder: true) }

  @Test(
    "the same in a queue out of order", .needsQueueOutOfOrder, arguments: ["now", "later"])
  func birthOutOfOrder(how: String) async throws { try await unfilled(how, inOrder: false) }

  private func unfilled(_ how: String, inOrder: Bool) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) {
      [layer = layer as String, how = how as String, inOrder = inOrder as Bool] in
      CallLayer.load(layer, fault: "clEnqueueFillBuffer, \(how):2:-5")
      CallLayer.endIfHung()
      let queues = inOrder ? TestDevices.queues : TestDevices.queuesOutOfOrder
      let queue = try #require(try queues.get().first)
      let optimizer = try Optimizer(
        Adam(learningRate: 0.1), layout: ParameterLayout(count: 3), on: .openCL(queue))
      let other = try Self.twin()
      let x = try Buffer(queue.context, copying: Self.start)
      let g = try Buffer(queue.context, copying: Self.gradients)
      try queue.flush()
      let text = message { try optimizer.enqueueStep(x, gradients: g).wait() }
      try #require(text == "the command fill returned CL_OUT_OF_RESOURCES (-5)")
      try #require(message { _ = try optimizer.states() }.hasPrefix("an earlier step failed"))
      try optimizer.reset()
      var expected = Self.start
      try other.step(&expected, gradients: Self.gradients)
      let event = try optimizer.enqueueStep(x, gradients: g)
      try #require(try x.read(on: queue, after: [event]) == expected)
      try #require(try optimizer.states() == other.states())
    }
  }

  @Test(
    "a command that has failed when the next one is enqueued ends the step, and nothing waits for it",
    arguments: [
      "clEnqueueWriteBuffer", "clEnqueueReadBuffer", "clEnqueueNDRangeKernel",
      "clEnqueueCopyBuffer",
    ], [1, 2, 3, 4, 5])
  func failedAtOnce(function: String, nth: Int) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) {
      [layer = layer as String, function = function as String, nth = nth as Int] in
      CallLayer.load(layer, fault: "\(function), now:\(nth):-5")
      CallLayer.endIfHung()
      let (optimizer, other) = (try Self.optimizer(), try Self.twin())
      for one in [optimizer, other] {
        one.clipping = .globalNorm(1)
        one.averaging = ParameterAverage(decay: 0.5)
      }
      let queue = try #require(optimizer.queue)
      let x = try Buffer(queue.context, copying: Self.start)
      let g = try Buffer(queue.context, copying: Self.gradients)
      var expected = Self.start
      for _ in 1...3 { try other.step(&expected, gradients: Self.gradients) }
      func steps() throws {
        for _ in 1...3 { try optimizer.enqueueStep(x, gradients: g) }
        _ = try optimizer.states()
      }
      if message({ try steps() }) != "no error" {
        try optimizer.reset()
        try x.write(Self.start, on: queue)
        try steps()
      }
      try #require(try x.read(on: queue) == expected && optimizer.stepCount == 3)
      try #require(try optimizer.states() == other.states())
    }
  }

  @Test("an accumulation that fails drops the sum, and the states go on")
  func accumulation() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer, fault: "clEnqueueNDRangeKernel:3:-5")
      let (optimizer, other) = (try Self.optimizer(), try Self.twin())
      var (x, expected) = (Self.start, Self.start)
      try optimizer.step(&x, gradients: Self.gradients)
      try optimizer.accumulate(Self.gradients)
      let text = message { try optimizer.accumulate(Self.gradients) }
      try #require(text.hasSuffix("returned CL_OUT_OF_RESOURCES (-5)"))
      try #require(try optimizer.accumulatedCount == 0 && optimizer.stepCount == 1)
      // The sum begins anew.
      for _ in 1...2 { try optimizer.accumulate(Self.gradients) }
      try optimizer.step(&x, gradients: Self.gradients)
      try other.step(&expected, gradients: Self.gradients)
      for _ in 1...2 { try other.accumulate(Self.gradients) }
      try other.step(&expected, gradients: Self.gradients)
      try #require(try x == expected && optimizer.stepCount == 2)
    }
  }

  @Test("an accumulation that nobody waited for and that failed marks the optimizer")
  func unawaitedAccumulation() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer, fault: "clEnqueueNDRangeKernel, later:2:-5")
      let optimizer = try Self.optimizer()
      let queue = try #require(optimizer.queue)
      let x = try Buffer(queue.context, copying: Self.start)
      let g = try Buffer(queue.context, copying: Self.gradients)
      try optimizer.enqueueStep(x, gradients: g)
      try optimizer.enqueueAccumulate(g)
      try queue.finish()
      let expected = "returned CL_OUT_OF_RESOURCES (-5)"
      try #require(message { try optimizer.enqueueAccumulate(g) }.hasSuffix(expected))
      try #require(
        message { try optimizer.enqueueStep(x, gradients: g) }
          .hasPrefix("an earlier step failed after it had begun to write"))
      try optimizer.reset()
      try #require(optimizer.accumulatedCount == 0)
      try optimizer.enqueueAccumulate(g)
      try optimizer.enqueueStep(x, gradients: g).wait()
    }
  }

  @Test("a step torn after its launch is not forgotten until a state is restored")
  func torn() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer, fault: "clEnqueueMapBuffer:2:-5")
      let optimizer = try Self.optimizer()
      var x = Self.start
      try optimizer.step(&x, gradients: Self.gradients)
      let saved = (x, try optimizer.states(), try optimizer.stepCount)
      let text = message { try optimizer.step(&x, gradients: Self.gradients) }
      try #require(text.hasPrefix("clEnqueueMapBuffer("))
      let refusal = message { try optimizer.step(&x, gradients: Self.gradients) }
      try #require(refusal.hasPrefix("an earlier step failed after it had begun to write"))
      try #require(try optimizer.stepCount == 1)
      x = saved.0
      try optimizer.restore(states: saved.1, stepCount: saved.2)
      try optimizer.step(&x, gradients: Self.gradients)
      let other = try Self.twin()
      var expected = Self.start
      for _ in 1...2 { try other.step(&expected, gradients: Self.gradients) }
      try #require(try optimizer.stepCount == 2 && x == expected)
    }
  }

  /// Launches of three steps: 1 of each that does not read its gradient first, 5 of each that does.
  @Test(
    "a failure that nobody waited for surfaces at the next call, and marks the optimizer",
    arguments: [(2, false), (5, true), (6, true), (10, true)])
  func unawaited(launch: Int, looks: Bool) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) {
      [layer = layer as String, launch = launch as Int, looks = looks as Bool] in
      CallLayer.load(layer, fault: "clEnqueueNDRangeKernel, later:\(launch):-5")
      let optimizer = try Self.optimizer()
      optimizer.skipsNonFinite = looks
      let queue = try #require(optimizer.queue)
      let x = try Buffer(queue.context, copying: Self.start)
      let g = try Buffer(queue.context, copying: Self.gradients)
      var text = "no error"
      // The failing step is among the first two; the queue is emptied, so that what failed has
      // failed.
      for _ in 1...3 where text == "no error" {
        text = message { try optimizer.enqueueStep(x, gradients: g) }
        try queue.finish()
      }
      try #require(text.contains(") returned") || text.hasPrefix("the command"), "\(text)")
      for _ in 1...2 {
        try #require(
          message { try optimizer.enqueueStep(x, gradients: g) }
            .hasPrefix("an earlier step failed after it had begun to write"))
      }
      // Events of steps report the failure as well, by waiting, polling or awaiting.
      try optimizer.reset()
      try x.write(Self.start, on: queue)
      let event = try optimizer.enqueueStep(x, gradients: g)
      try event.wait()
      try #require(try optimizer.stepCount == 1)
    }
  }

  @Test("an event of a step that failed on the device throws, however it is waited for")
  func eventsOfFailure() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer, fault: "clEnqueueNDRangeKernel, later:1:-5")
      let optimizer = try Self.optimizer()
      let queue = try #require(optimizer.queue)
      let x = try Buffer(queue.context, copying: Self.start)
      let g = try Buffer(queue.context, copying: Self.gradients)
      let event = try optimizer.enqueueStep(x, gradients: g)
      let expected = "the command update returned CL_OUT_OF_RESOURCES (-5)"
      try #require(message { try event.wait() } == expected)
      try #require(message { _ = try event.isComplete } == expected)
      var awaited = "no error"
      do { try await event.completion() } catch { awaited = "\(error)" }
      try #require(awaited == expected)
      try #require(message { _ = try optimizer.state("m") } == expected)
      try #require(message { _ = try optimizer.state("m") }.hasPrefix("the command") == false)
    }
  }

  @Test("a count or a rate that waits for a failed step throws its error", arguments: 0..<3)
  func countsOfFailure(which: Int) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String, which = which as Int] in
      // The fifth launch is the update behind the norm.
      CallLayer.load(layer, fault: "clEnqueueNDRangeKernel, later:5:-5")
      let optimizer = try Self.optimizer()
      optimizer.skipsNonFinite = true
      optimizer.schedule = .constant(0.1)
      let queue = try #require(optimizer.queue)
      let x = try Buffer(queue.context, copying: Self.start)
      let g = try Buffer(queue.context, copying: Self.gradients)
      try optimizer.enqueueStep(x, gradients: g)
      let text = message {
        switch which {
        case 0: _ = try optimizer.stepCount
        case 1: _ = try optimizer.skippedStepCount
        default: _ = try optimizer.learningRate
        }
      }
      try #require(text == "the command update returned CL_OUT_OF_RESOURCES (-5)", "\(text)")
    }
  }

  /// Of three steps the second fails, and the third never ends, as on PoCL 3.1.
  @Test("nothing waits for ever behind a failed command", arguments: [false, true], [false, true])
  func stuckBehindFailure(looks: Bool, resets: Bool) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) {
      [layer = layer as String, looks = looks as Bool, resets = resets as Bool] in
      CallLayer.load(layer, fault: "clEnqueueNDRangeKernel, stuck:\(looks ? 15 : 3):-5")
      CallLayer.endIfHung()
      let device = try #require(TestDevices.devices.first)
      var layout = ParameterLayout()
      try layout.append("a", shape: [1], group: "a")
      try layout.append("b", shape: [2], group: "b")
      var optimizer: Optimizer? = try Optimizer(Adam(), layout: layout, on: .openCL(device))
      try optimizer?.setGroup("b", to: ParameterGroup(learningRateFactor: 0.5))
      optimizer?.skipsNonFinite = looks
      let queue = try #require(optimizer?.queue)
      let x = try Buffer(queue.context, copying: Self.start)
      let g = try Buffer(queue.context, copying: Self.gradients)
      let failing = try UserEvent(queue.context)
      try optimizer?.enqueueStep(x, gradients: g).wait()
      let failed = try optimizer?.enqueueStep(x, gradients: g, after: [failing.event])
      try optimizer?.enqueueStep(x, gradients: g)
      try failing.fail(status: -5)
      try #require(message { try failed?.wait() } != "no error")
      // Transfers before it may be under way for a moment.
      while message({ try optimizer?.checkStates() }) == "no error" { usleep(1000) }
      try #require(message { try optimizer?.enqueueStep(x, gradients: g) } != "no error")
      if resets {
        try #require(message { try optimizer?.reset() } != "no error")
        // The driver's queue may be of no use, so the optimizer refuses to go on.
        try #require(message { try optimizer?.enqueueStep(x, gradients: g) } != "no error")
        try #require(message { _ = try optimizer?.states() } != "no error")
      }
      optimizer = nil
    }
  }

  @Test("a step waits for the events that it is given, and fails with them")
  func failedEvent() async throws {
    // In a process of its own: PoCL 3.1 uses the memory of events again, and a failure was seen to
    // reach another context's event.
    await #expect(processExitsWith: .success) {
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
        try #require(try parameters.read(on: own) == [-2, 0, 2])

        let failed = try UserEvent(queue.context)
        try failed.fail(status: -5)
        try #require(
          message {
            try optimizer.enqueueStep(parameters, gradients: gradients, after: [failed.event])
          } == "the command user event returned CL_OUT_OF_RESOURCES (-5)")
        try #require(try optimizer.stepCount == 1)

        let failing = try UserEvent(queue.context)
        let doomed = try optimizer.enqueueStep(
          parameters, gradients: gradients, after: [failing.event])
        try failing.fail(status: -5)
        try #require(message { try doomed.wait() } != "no error")
        try #require(try parameters.read(on: own) == [-2, 0, 2])
        // It was counted when it was enqueued, so the optimizer must not go on from there.
        try #require(
          message { try optimizer.enqueueStep(parameters, gradients: gradients) } != "no error")
        try #require(
          message { try optimizer.enqueueStep(parameters, gradients: gradients) }
            .hasPrefix("an earlier step failed"))
        try optimizer.restore(states: [:], stepCount: 1)
        try optimizer.enqueueStep(parameters, gradients: gradients).wait()
        try #require(try parameters.read(on: own) == [-5, -2, 1])
      }
    }
  }
}
#endif
