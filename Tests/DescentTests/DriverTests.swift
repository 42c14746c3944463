import DescentTestSupport
import Verification

#if OpenCL
import CDescentOpenCL
import Foundation
import OpenCLHost
import Testing

@testable import Descent

/// What drivers other than the one at hand do: smaller work-groups, writes that are late, commands
/// that are skipped. Tests/FaultLayer imitates them, in a process of a test's own.
@Suite(.needsDevice) struct DriverTests {
  private static func layout() throws -> ParameterLayout {
    var layout = try ParameterLayout.evenAndOdd()
    // Enough tensors for every accumulator of a fold.
    for index in 6..<320 { try layout.append("t\(index)", shape: [1 + index % 5], group: "odd") }
    return layout
  }

  private static func configure(_ optimizer: Optimizer) throws {
    optimizer.clipping = .globalNorm(0.5)
    optimizer.averaging = ParameterAverage(decay: 0.9)
    try optimizer.setGroup("odd", to: ParameterGroup(clipping: .tensorNorm(0.25)))
    try optimizer.setLossScale(LossScale(scale: 8, growthInterval: 2))
  }

  /// Steps of all kinds, and what they leave.
  private static func run(on choice: EngineChoice) throws -> [Digest] {
    let layout = try layout()
    let optimizer = try Optimizer(AdamW(weightDecay: 0.1), layout: layout, on: choice)
    var x = PinnedSteps(count: layout.count).parameters
    for step in 1...8 {
      if step == 3 { try configure(optimizer) }
      var g = PinnedSteps(count: layout.count).gradients(step)
      if step == 5 { g[layout.count / 2] = .infinity }
      if step == 6 { try optimizer.accumulate(PinnedSteps(count: layout.count).gradients(9)) }
      try optimizer.step(&x, zeroing: &g)
      guard g.allSatisfy({ $0 == 0 }) else { return [] }
    }
    let found =
      [x, [Float(try optimizer.lastNorm ?? 0), Float(try optimizer.stepCount)]]
      + (try optimizer.stateNames.map { try optimizer.state($0) }) + [try optimizer.average()]
    return found.map { Digest($0) }
  }

  @Test(
    "work-groups as small as a device or a kernel allows give the same bits",
    arguments: ["DESCENT_DEVICE_LIMIT", "DESCENT_KERNEL_LIMIT"], [255, 64, 12, 1])
  func smallGroups(limit: String, items: Int) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) {
      [layer = layer as String, limit = limit as String, items = items as Int] in
      CallLayer.load(layer, [limit: "\(items)"])
      let expected = try Self.run(on: .reference)
      try #require(expected.count == 5)
      for queue in try TestDevices.queues.get() {
        try #require(try Self.run(on: .openCL(queue)) == expected)
        try #require(try Self.run(on: .openCL(queue, carrying: 1 << 12)) == expected)
        // As on a GPU, a group sums a tile where it may.
        let layout = try Self.layout()
        let control = StepControl(clipping: .tensorNorm(1), isFrozen: [false, false])
        let g = PinnedSteps(count: layout.count).gradients(3)
        let norm = try DeviceNorm(layout, control, queue.context, groupPerTile: true)
        try norm.prepare(Pieces(count: layout.count), of: .float32, sum: nil, queue.context)
        let state = try DeviceControl(queue, lossScale: nil)
        try norm.enqueue(
          [DeviceSlice(Buffer(queue.context, copying: g).whole, of: .float32)], scale: 1,
          state: state.state,
          on: queue,
          after: [])
        let reference = try Optimizer(SGD(), layout: layout, on: .reference)
        reference.clipping = .tensorNorm(1)
        var x = g
        try reference.step(&x, gradients: g)
        let decision = try StepDecision(state.state.read(on: queue)[0])
        try #require(try decision.norm == reference.lastNorm)
      }
    }
  }

  @Test(
    "a shape of the caller's that a kernel does not allow is refused by name", .needsGroups(of: 128)
  )
  func chosenShape() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer, ["DESCENT_KERNEL_LIMIT": "64"])
      let device = try #require(TestDevices.devices.first { $0.maximumWorkGroupSize >= 128 })
      let layout = try ParameterLayout(count: 9)
      let text = message {
        _ = try Optimizer(
          Adam(), layout: layout,
          on: .openCL(device, shape: LaunchShape(lanes: 4, groupSize: 128)))
      }
      try #require(
        text == "groupSize is 128; allowed is 1 to 64 for the kernel update on \(device.name)")
      _ = try Optimizer(
        Adam(), layout: layout, on: .openCL(device, shape: LaunchShape(lanes: 4, groupSize: 64)))
    }
  }

  @Test(
    "what is written before a step in a queue out of order is there in the step",
    .needsQueueOutOfOrder)
  func lateWrites() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer, ["DESCENT_LATE_WRITES": "1"])
      let layout = try ParameterLayout(count: 1000)
      for queue in try TestDevices.queuesOutOfOrder.get() {
        let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
        let reference = try Optimizer(Adam(), layout: layout, on: .reference)
        let g = PinnedSteps(count: 1000).gradients(1)
        var expected = PinnedSteps(count: 1000).parameters
        let x = try Buffer<Float>(queue.context, count: 1000)
        let gradients = try Buffer<Float>(queue.context, count: 1000)
        func step() throws {
          try x.write(expected, on: queue)
          try gradients.write(g, on: queue)
          let event = try optimizer.enqueueStep(x, gradients: gradients)
          try reference.step(&expected, gradients: g)
          try #require(try x.read(on: queue, after: [event]) == expected)
        }
        for one in [optimizer, reference] {
          one.clipping = .globalNorm(1)
          try one.setLossScale(LossScale(scale: 4))
        }
        try step()
        for value in [Float(0.25), 0.5, 0.75] {
          let values = [Float](repeating: value, count: 1000)
          for one in [optimizer, reference] {
            try one.setState("m", of: layout.tensors[0].name, to: values)
            try one.setLossScale(LossScale(scale: Double(value) * 16))
          }
          try #require(try optimizer.state("m") == values)
          try step()
          for one in [optimizer, reference] {
            try one.restore(states: ["m": values, "v": values], stepCount: 3)
          }
          try step()
        }
        try #require(try optimizer.states() == reference.states())
      }
    }
  }

  /// A step that reads its gradient first: the transfer of the groups' values, and the launches
  /// over tiles, tensors and sets, the decision and the update.
  @Test(
    "a command that the driver skipped in silence is noticed, whichever it is",
    arguments: [
      "clEnqueueWriteBuffer, skipped:1", "clEnqueueNDRangeKernel, skipped:1",
      "clEnqueueNDRangeKernel, skipped:2", "clEnqueueNDRangeKernel, skipped:3",
      "clEnqueueNDRangeKernel, skipped:4", "clEnqueueNDRangeKernel, skipped:5",
      "clEnqueueFillBuffer, skipped:1",
    ], [true, false])
  func skipped(fault: String, host: Bool) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) {
      [layer = layer as String, fault = fault as String, host = host as Bool] in
      CallLayer.load(layer, fault: "\(fault):-5")
      CallLayer.endIfHung()
      let device = try #require(TestDevices.devices.first)
      let layout = try ParameterLayout(count: 3)
      let optimizer = try Optimizer(Adam(learningRate: 0.1), layout: layout, on: .openCL(device))
      let queue = try #require(optimizer.queue)
      optimizer.clipping = .globalNorm(1)
      let (start, g): ([Float], [Float]) = ([1, 2, 3], [3, 2, 1])
      let (x, gradients) = (
        try Buffer(queue.context, copying: start), try Buffer(queue.context, copying: g)
      )
      var memory = start
      var text = "no error"
      if host {
        text = message { try optimizer.step(&memory, gradients: g) }
      } else {
        text = message { try optimizer.enqueueStep(x, gradients: gradients).wait() }
        if text == "no error" { text = message { _ = try optimizer.states() } }
      }
      try #require(text != "no error")
      try optimizer.reset()
      memory = start
      try optimizer.step(&memory, gradients: g)
      let twin = try Optimizer(Adam(learningRate: 0.1), layout: layout, on: .reference)
      twin.clipping = .globalNorm(1)
      var expected = start
      try twin.step(&expected, gradients: g)
      try #require(try memory == expected && optimizer.stepCount == 1)
    }
  }

  @Test("two buffers around one memory of the host's are one memory")
  func lentTwice() throws {
    for queue in try TestDevices.queues.get() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 64), on: .openCL(queue))
      let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 128)
      defer { memory.deallocate() }
      memory.initialize(repeating: 1)
      let whole = try Buffer(queue.context, lending: memory)
      let again = try Buffer(queue.context, lending: memory)
      let rear = try Buffer(
        queue.context, lending: UnsafeMutableBufferPointer(rebasing: memory[64...]))
      let adopted = try Buffer<Float>(queue.context, retaining: whole.rawHandle)
      for other in [again, adopted] {
        #expect(throws: DescentError.overlap) {
          try optimizer.enqueueStep(whole.slice(0..<64), gradients: other.slice(63..<127))
        }
      }
      #expect(throws: DescentError.overlap) {
        try optimizer.enqueueStep(whole.slice(1..<65), gradients: rear.whole)
      }
      #expect(try optimizer.stepCount == 0)
      try optimizer.enqueueStep(whole.slice(0..<64), gradients: again.slice(64..<128)).wait()
      #expect(try optimizer.stepCount == 1)
    }
  }

  @Test("after a fork every call of the child throws, and none waits")
  func fork() async {
    await #expect(processExitsWith: .success) {
      CallLayer.endIfHung()
      typealias Fork = @convention(c) () -> pid_t
      let fork = unsafeBitCast(try #require(dlsym(nil, "fork")), to: Fork.self)
      let device = try #require(TestDevices.devices.first)
      let layout = try ParameterLayout(count: 3)
      var optimizer: Optimizer? = try Optimizer(Adam(), layout: layout, on: .openCL(device))
      optimizer?.clipping = .globalNorm(1)
      let queue = try #require(optimizer?.queue)
      let x = try Buffer(queue.context, copying: [Float](repeating: 1, count: 3))
      let g = try Buffer(queue.context, copying: [Float](repeating: 1, count: 3))
      var memory: [Float] = [1, 2, 3]
      try optimizer?.step(&memory, gradients: [1, 1, 1])
      let event = try #require(try optimizer?.enqueueStep(x, gradients: g))
      let program = try Program(
        queue.context, sources: [("k.cl", "kernel void k(int a) {}")])
      let kernel = try program.kernel(named: "k")
      let child = fork()
      if child == 0 {
        alarm(20)
        let calls: [() throws -> Void] = [
          { try optimizer?.step(&memory, gradients: [1, 1, 1]) },
          { try optimizer?.enqueueStep(x, gradients: g) },
          { try optimizer?.accumulate([1, 1, 1]) },
          { _ = try optimizer?.state("m") },
          { _ = try optimizer?.states() },
          { try optimizer?.setState("m", of: layout.tensors[0].name, to: [1, 1, 1]) },
          { _ = try optimizer?.lastNorm },
          { try queue.finish() },
          { try queue.flush() },
          { _ = try x.read(on: queue) },
          { try x.write([1, 2, 3], on: queue) },
          { try x.fill(with: 1, on: queue) },
          { _ = try Buffer<Float>(queue.context, count: 1) },
          { _ = try Context(device) },
          { _ = try UserEvent(queue.context) },
          { _ = try PinnedMemory<Float>(queue, count: 1) },
          { _ = try Program(queue.context, sources: [("l.cl", "kernel void l() {}")]) },
          { _ = try program.kernel(named: "k") },
          { _ = try program.kernelNames },
          { try kernel.setArgument(0, Int32(1)) },
          { _ = try event.profile },
          { _ = try Optimizer(Adam(), layout: layout, on: .openCL(device)) },
        ]
        for (index, call) in calls.enumerated() {
          do {
            try call()
            _exit(Int32(100 + index))
          } catch let error as OpenCLUsageError where error == .forked {
          } catch {
            _exit(Int32(1 + index))
          }
        }
        optimizer = nil
        _exit(0)
      }
      var status: Int32 = -1
      waitpid(child, &status, 0)
      try #require(status == 0, "\(status >> 8), \(status & 127)")
      try optimizer?.step(&memory, gradients: [1, 1, 1])
      try #require(try optimizer?.stepCount == 3)
    }
  }
}
#endif
