import DescentTestSupport
import Verification

#if OpenCL
import Foundation
import OpenCLHost
import Testing

@testable import Descent

/// The driver calls of an enqueued step, as listed by a layer between loader and driver.
@Suite(.needsDevice) struct AsynchronyTests {
  /// A model of two groups, with the buffers of a trainer on the device.
  private struct Trainer {
    let queue: CommandQueue
    let optimizer: Optimizer
    let parameters: Buffer<Float>
    let gradients: [Buffer<Float>]

    init(looks: Bool, groups: [String] = ["a", "b"]) throws {
      let device = try #require(TestDevices.devices.first)
      let context = try Context(device)
      queue = try CommandQueue(context)
      var layout = ParameterLayout()
      for (index, size) in [40_000, 33, 1, 5000].enumerated() {
        try layout.append("t\(index)", shape: [size], group: groups[index % groups.count])
      }
      optimizer = try Optimizer(Adam(learningRate: 0.01), layout: layout, on: .openCL(queue))
      if looks {
        optimizer.clipping = .globalNorm(0.5)
        optimizer.skipsNonFinite = true
        try optimizer.setLossScale(LossScale(scale: 8, growthInterval: 3))
      }
      let count = layout.count
      parameters = try Buffer(context, copying: Self.start(count))
      gradients = try (0..<5).map { try Buffer(context, copying: Self.gradients(count, $0)) }
    }

    static func start(_ count: Int) -> [Float] { [Float](repeating: 1, count: count) }

    /// The second and the fifth are not finite.
    static func gradients(_ count: Int, _ index: Int) -> [Float] {
      var result = PinnedSteps(count: count).gradients(index + 1)
      if index % 3 == 1 { result[index * 101] = index == 1 ? .infinity : .nan }
      return result
    }
  }

  @Test(
    "100 steps that clip and skip: no call waits, reads or makes anything before the update",
    arguments: [true, false])
  func calls(looks: Bool) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String, looks = looks as Bool] in
      CallLayer.load(layer)
      let trainer = try Trainer(looks: looks)
      let (queue, optimizer) = (trainer.queue, trainer.optimizer)
      let list = try CallList(layer)
      try #require(try list.take().contains("clCreateContext, making"))
      var events: [Event] = []
      for step in 0..<100 {
        // The gradient arrives when the host says so, long after the step was enqueued.
        let gate = try UserEvent(queue.context)
        _ = try list.take()
        events.append(
          try optimizer.enqueueStep(
            trainer.parameters, gradients: trainer.gradients[step % 5],
            zeroing: false, after: [gate.event]))
        let calls = try list.take()
        try #require(calls.last == "clFlush", "\(calls)")
        if step > 0 {
          try #require(!calls.contains { $0.hasSuffix(", making") }, "\(calls)")
        }
        try #require(!calls.contains { $0.hasSuffix(", blocking") }, "\(calls)")
        // The one read, of some bytes with the decision, follows the update.
        if let read = calls.firstIndex(of: "clEnqueueReadBuffer") {
          try #require(!calls[read...].contains("clEnqueueNDRangeKernel"), "\(calls)")
        }
        try #require(calls.contains("clEnqueueReadBuffer") == looks, "\(calls)")
        try #require(!calls.contains("clEnqueueMapBuffer"), "\(calls)")
        try gate.complete()
        // Few enough in flight; this wait is the test's.
        if step >= 20 { try events[step - 20].wait() }
      }
      let (steps, skipped) = try (optimizer.stepCount, optimizer.skippedStepCount)
      try #require(steps + skipped == 100 && (skipped > 20) == looks, "\(steps), \(skipped)")
    }
  }

  @Test("31 steps in flight wait for nothing, and the 33rd for the first")
  func inFlight() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer)
      let trainer = try Trainer(looks: true)
      let list = try CallList(layer)
      let gate = try UserEvent(trainer.queue.context)
      func step(_ index: Int) throws -> [String] {
        _ = try list.take()
        try trainer.optimizer.enqueueStep(
          trainer.parameters, gradients: trainer.gradients[index % 5],
          after: index == 0 ? [gate.event] : [])
        return try list.take().filter { $0.hasSuffix(", blocking") }
      }
      for index in 0..<32 { try #require(try step(index) == []) }
      // Nobody could end that wait but a second thread.
      let opener = Thread {
        // On a busy machine the other thread may take a while to get to its wait.
        usleep(1_000_000)
        try? gate.complete()
      }
      opener.start()
      // For each command of the first step that has not ended when its turn comes.
      let waits = try step(32)
      try #require(!waits.isEmpty && waits.allSatisfy { $0 == "clWaitForEvents, blocking" })
      try #require(try trainer.optimizer.stepCount + trainer.optimizer.skippedStepCount == 33)
    }
  }

  @Test("a group that is frozen and thawed by turns makes nothing after the first step")
  func freezing() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer)
      let trainer = try Trainer(looks: false)
      let list = try CallList(layer)
      for index in 0..<6 {
        try trainer.optimizer.setGroup("b", to: ParameterGroup(isFrozen: index % 2 == 1))
        _ = try list.take()
        try trainer.optimizer.enqueueStep(trainer.parameters, gradients: trainer.gradients[0])
        let made = try list.take().filter { $0.hasSuffix(", making") }
        try #require(index == 0 || made == [], "\(made)")
      }
    }
  }

  @Test("host memory that a device carries or shares makes nothing after its first step")
  func hostMemory() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer)
      let optimizer = try Trainer(looks: true).optimizer
      let list = try CallList(layer)
      var x = Trainer.start(optimizer.layout.count)
      for index in 0..<5 {
        _ = try list.take()
        try optimizer.step(&x, gradients: Trainer.gradients(optimizer.layout.count, index))
        // Lending memory is a call of its own for each vector.
        let made = try list.take().filter { $0.hasSuffix(", making") }
        if index > 0 { try #require(made == ["clCreateBuffer, making", "clCreateBuffer, making"]) }
      }
    }
  }

  /// Steps of which 20 are always behind a gate that has not opened.
  @Test("random skips under a queue kept 20 steps deep give the bits of one step at a time")
  func deep() throws {
    let trainer = try Trainer(looks: true)
    let (queue, optimizer) = (trainer.queue, trainer.optimizer)
    let reference = try Optimizer(
      Adam(learningRate: 0.01), layout: optimizer.layout, on: .reference)
    reference.clipping = .globalNorm(0.5)
    reference.skipsNonFinite = true
    try reference.setLossScale(LossScale(scale: 8, growthInterval: 3))
    var expected = Trainer.start(optimizer.layout.count)
    var gates: [UserEvent] = []
    var random = UInt32(2026)
    for step in 0..<120 {
      random = random &* 1_664_525 &+ 1_013_904_223
      let which = Int(random >> 16) % 5
      try reference.step(
        &expected, gradients: Trainer.gradients(optimizer.layout.count, which))
      gates.append(try UserEvent(queue.context))
      try optimizer.enqueueStep(
        trainer.parameters, gradients: trainer.gradients[which], after: [gates[step].event])
      if step >= 20 { try gates[step - 20].complete() }
      #expect(optimizer.engine.stepsInFlight >= min(step, 20))
    }
    for gate in gates.suffix(20) { try gate.complete() }
    #expect(try trainer.parameters.read(on: queue) == expected)
    #expect(try optimizer.skippedStepCount == reference.skippedStepCount)
    #expect(try optimizer.stepCount == reference.stepCount && reference.skippedStepCount > 20)
    #expect(try optimizer.lossScale == reference.lossScale)
    #expect(try optimizer.states() == reference.states())
  }
}
#endif
