import DescentTestSupport
import Verification

#if OpenCL
import CDescentOpenCL
import OpenCLHost
import Testing

@testable import Descent

/// Steps in a trainer's own context, queue and memory, made by C calls; the queue is out of order.
@Suite(.needsQueueOutOfOrder) struct AdoptedQueueTests {
  private static func queues() throws -> [CommandQueue] {
    try TestDevices.queuesOutOfOrder.get().flatMap {
      [$0, try TestDevices.queueOutOfOrder($0.device, largestAllocation: 1 << 18)]
    }
  }

  /// Every third gradient is not finite.
  private static func gradients(_ count: Int, _ step: Int) -> [Float] {
    var result = PinnedSteps(count: count).gradients(step)
    if step % 3 == 2 { result[(step * 7919) % count] = .infinity }
    return result
  }

  /// Commands that nothing but a missing event kept in order would run at once here, as all wait
  /// for a gate that the first one waits for.
  @Test("steps in a queue out of order are chained by events", arguments: ControlTests.Setting.all)
  func order(_ setting: ControlTests.Setting) throws {
    let layout = try ParameterLayout.evenAndOdd()
    let steps = 12
    let reference = try Optimizer(AdamW(weightDecay: 0.1), layout: layout, on: .reference)
    try setting.apply(reference)
    var expected = PinnedSteps(count: layout.count).parameters
    for step in 1...steps {
      var g = Self.gradients(layout.count, step)
      try reference.step(&expected, zeroing: &g, gradientScale: 0.75)
    }
    for queue in try Self.queues() {
      #expect(!queue.isInOrder)
      let optimizer = try Optimizer(AdamW(weightDecay: 0.1), layout: layout, on: .openCL(queue))
      try setting.apply(optimizer)
      // What the context's limit cuts is given in pieces, as a trainer would have it.
      let cuts = SegmentCuts(layout, queue.context).pieces(of: 0..<layout.count)
      func buffers(_ values: [Float]) throws -> [Buffer<Float>] {
        try cuts.indices.map {
          try Buffer(queue.context, copying: Array(values[cuts[$0]]))
        }
      }
      let x = try buffers(PinnedSteps(count: layout.count).parameters)
      let gate = try UserEvent(queue.context)
      var gradients: [[Buffer<Float>]] = []
      for step in 1...steps {
        let g = try buffers(Self.gradients(layout.count, step))
        gradients.append(g)
        try optimizer.enqueueStep(
          x.map(\.whole), gradients: g.map(\.whole), gradientScale: 0.75, zeroing: true,
          after: step == 1 ? [gate.event] : [])
      }
      try gate.complete()
      for name in optimizer.stateNames {
        #expect(try optimizer.state(name) == reference.state(name))
      }
      #expect(try x.flatMap { try $0.read(on: queue) } == expected)
      #expect(try optimizer.stepCount == reference.stepCount)
      #expect(try gradients.joined().allSatisfy { try $0.read(on: queue).allSatisfy { $0 == 0 } })
    }
  }

  @Test("states are born before the first step that a queue out of order takes")
  func birth() throws {
    let count = 3_000_000
    let rule = AdaGrad(learningRate: 1, initialAccumulator: 3)
    let (start, g) = ([Float](repeating: 1, count: count), [Float](repeating: 1, count: count))
    let reference = try Optimizer(rule, layout: ParameterLayout(count: count), on: .cpu)
    var expected = start
    try reference.step(&expected, gradients: g)
    for queue in try Self.queues() where queue.context.largestAllocation > 1 << 18 {
      let (x, gradients) = (
        try Buffer(queue.context, copying: start), try Buffer(queue.context, copying: g)
      )
      for _ in 1...5 {
        let optimizer = try Optimizer(
          rule, layout: ParameterLayout(count: count), on: .openCL(queue))
        try x.write(start, on: queue)
        try optimizer.enqueueStep(x, gradients: gradients).wait()
        #expect(try x.read(on: queue) == expected)
      }
    }
  }

  @Test("host memory is stepped through a queue out of order")
  func hostMemory() throws {
    let layout = try ParameterLayout.evenAndOdd()
    for queue in try Self.queues() {
      let reference = try Optimizer(Adam(), layout: layout, on: .reference)
      let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
      for one in [reference, optimizer] { one.clipping = .globalNorm(1) }
      var (x, expected) = (
        PinnedSteps(count: layout.count).parameters, PinnedSteps(count: layout.count).parameters
      )
      for step in 1...6 {
        try reference.step(&expected, gradients: Self.gradients(layout.count, step))
        try optimizer.step(&x, gradients: Self.gradients(layout.count, step))
      }
      #expect(x == expected)
      #expect(try optimizer.states() == reference.states())
    }
  }

  @Test("buffers around one cl_mem are one memory, and memory to write is not read-only")
  func sharing() throws {
    for queue in try Self.queues() {
      let context = queue.context
      var status: cl_int = 0
      let memory = try #require(
        clCreateBuffer(
          context.rawHandle, cl_mem_flags(CL_MEM_READ_WRITE), 4096, nil, &status))
      let readOnly = try #require(
        clCreateBuffer(context.rawHandle, cl_mem_flags(CL_MEM_READ_ONLY), 16, nil, &status))
      defer { for memory in [memory, readOnly] { clReleaseMemObject(memory) } }
      let offset = context.device.baseAddressAlignment / 4
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 4), on: .openCL(queue))
      let x = try Buffer<Float>(context, retaining: memory)
      let same = try Buffer<Float>(context, retaining: memory)
      let part = try Buffer<Float>(context, retaining: memory, offset: offset, count: 4)
      try x.fill(with: 1, on: queue).wait()
      #expect(throws: DescentError.overlap) {
        try optimizer.enqueueStep(x.slice(0..<4), gradients: same.slice(3..<7))
      }
      #expect(throws: DescentError.overlap) {
        try optimizer.enqueueStep(x.slice(offset - 3..<offset + 1), gradients: part.whole)
      }
      let event = try optimizer.enqueueStep(x.slice(offset - 4..<offset), gradients: part.whole)
      #expect(try x.read(on: queue, after: [event])[offset - 4..<offset + 1] == [0, 0, 0, 0, 1])

      let constant = try Buffer<Float>(context, retaining: readOnly)
      #expect(throws: Self.readOnly("parameters")) {
        try optimizer.enqueueStep(constant, gradients: part)
      }
      #expect(throws: Self.readOnly("gradients to zero")) {
        try optimizer.enqueueStep(part, gradients: constant, zeroing: true)
      }
      #expect(try optimizer.stepCount == 1)
      try constant.write([3, 3, 3, 3], on: queue)
      let last = try optimizer.enqueueStep(part, gradients: constant)
      #expect(try part.read(on: queue, after: [last]) == [-2, -2, -2, -2])
    }
  }

  private static func readOnly(_ what: String) -> DescentError {
    .value(
      of: "the memory of \(what)", given: "read-only for kernels", allowed: "CL_MEM_READ_WRITE")
  }

  @Test("an event of another context is refused before anything is touched")
  func foreignEvent() throws {
    for queue in try Self.queues() {
      let other = try UserEvent(Context(queue.device))
      let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 1), on: .openCL(queue))
      optimizer.clipping = .globalNorm(1)
      let (x, g) = (
        try Buffer<Float>(queue.context, copying: [1]),
        try Buffer(queue.context, copying: [Float(1)])
      )
      #expect(throws: OpenCLUsageError.otherContext(what: "event user event", than: "queue")) {
        try optimizer.enqueueStep(x, gradients: g, after: [other.event])
      }
      try optimizer.enqueueStep(x, gradients: g).wait()
      #expect(try optimizer.stepCount == 1)
    }
  }
}
#endif
