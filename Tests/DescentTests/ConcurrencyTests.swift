import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// Optimizers on threads of their own do not disturb each other; `make sanitize` runs this under
/// the thread sanitizer.
@Suite struct ConcurrencyTests {
  private static func layout() throws -> ParameterLayout {
    try ParameterLayout(sizes: [700, 33, 70_000], group: ParameterLayout.evenOrOdd)
  }

  /// What 10 steps leave. Everything is made, used and dropped here.
  @Sendable private static func run(
    _ choice: EngineChoice, clips: Bool, seed: Int
  ) throws -> Digest {
    let layout = try layout()
    let optimizer = try Optimizer(Adam(learningRate: 0.01), layout: layout, on: choice)
    if clips { optimizer.clipping = .globalNorm(0.5) }
    var x = PinnedSteps(count: layout.count).parameters
    for step in 1...10 {
      var g = PinnedSteps(count: layout.count).gradients(step + seed)
      try optimizer.step(&x, zeroing: &g)
    }
    var digest = Digest()
    digest.combine(x)
    for name in optimizer.stateNames { digest.combine(try optimizer.state(name)) }
    return digest
  }

  /// Every choice, on two threads at a time.
  @Test("two optimizers on two threads, each with threads of its own", arguments: [false, true])
  func threads(clips: Bool) async throws {
    let choices = [EngineChoice.cpu(threads: 3, instructions: nil, block: 1000), .cpu, .reference]
    try await compare(choices + choices, clips: clips)
  }

  #if OpenCL
  @Test(
    "two optimizers on two queues, on one queue, and in contexts of their own", .needsDevice,
    arguments: [false, true])
  func queues(clips: Bool) async throws {
    for queue in try TestDevices.queues.get() {
      let other = try CommandQueue(queue.context)
      let apart = try CommandQueue(Context(queue.device))
      try await compare(
        [.openCL(queue), .openCL(other), .openCL(apart), .openCL(queue), .cpu], clips: clips)
      try await compare(
        [.openCL(queue, carrying: 5000), .openCL(other, carrying: 5000), .openCL(queue)],
        clips: clips)
    }
  }

  @Test(
    "two optimizers enqueue on two queues by turns, and wait for each other's events", .needsDevice)
  func interleaved() throws {
    for queue in try TestDevices.queues.get() {
      let layout = try Self.layout()
      let queues = [queue, try CommandQueue(queue.context)]
      let optimizers = try queues.map {
        try Optimizer(Adam(learningRate: 0.01), layout: layout, on: .openCL($0))
      }
      let reference = try Optimizer(Adam(learningRate: 0.01), layout: layout, on: .reference)
      for one in optimizers + [reference] { one.clipping = .globalNorm(0.5) }
      var expected = PinnedSteps(count: layout.count).parameters
      let x = try queues.map { try Buffer($0.context, copying: expected) }
      // One gradient for both, which the second zeroes once the first has used it.
      let g = try Buffer<Float>(queue.context, count: layout.count)
      var last: [Event] = []
      for step in 1...20 {
        let gradients = PinnedSteps(count: layout.count).gradients(step)
        try g.write(gradients, on: queue, after: last)
        let first = try optimizers[0].enqueueStep(x[0], gradients: g)
        last = [try optimizers[1].enqueueStep(x[1], gradients: g, zeroing: true, after: [first])]
        try reference.step(&expected, gradients: gradients)
      }
      for index in 0...1 {
        #expect(try x[index].read(on: queues[index]) == expected)
        #expect(try optimizers[index].stepCount == 20)
      }
      #expect(try g.read(on: queues[1]).allSatisfy { $0 == 0 })
    }
  }

  /// An event may go to another thread than the optimizer's.
  @Test("events are waited for elsewhere, by threads and by tasks", .needsDevice)
  func events() async throws {
    for queue in try TestDevices.queues.get() {
      let layout = try Self.layout()
      let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
      optimizer.skipsNonFinite = true
      let x = try Buffer(queue.context, copying: PinnedSteps(count: layout.count).parameters)
      let g = try Buffer(queue.context, copying: PinnedSteps(count: layout.count).gradients(1))
      var events: [Event] = []
      for _ in 0..<24 { events.append(try optimizer.enqueueStep(x, gradients: g)) }
      let enqueued = events
      let done = try await withThrowingTaskGroup(of: Bool.self) { group in
        for (index, event) in enqueued.enumerated() {
          group.addTask {
            if index.isMultiple(of: 2) { try event.wait() } else { try await event.completion() }
            return try event.isComplete
          }
        }
        return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
      }
      #expect(try done == 24 && optimizer.stepCount == 24)
    }
  }
  #endif

  private func compare(_ choices: [EngineChoice], clips: Bool) async throws {
    var expected: [Digest] = []
    for seed in choices.indices {
      expected.append(try Self.run(.reference, clips: clips, seed: seed))
    }
    let found = try await withThrowingTaskGroup(of: (Int, Digest).self) { group in
      for (seed, choice) in choices.enumerated() {
        group.addTask { (seed, try Self.run(choice, clips: clips, seed: seed)) }
      }
      var found: [Int: Digest] = [:]
      for try await (seed, digest) in group { found[seed] = digest }
      return choices.indices.compactMap { found[$0] }
    }
    #expect(found == expected)
  }
}
