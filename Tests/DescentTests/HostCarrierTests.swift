import DescentTestSupport
import Verification

#if OpenCL
import Foundation
import OpenCLHost
import Testing

@testable import Descent

/// Transfers of host memory to a device with memory of its own, in many chunks.
@Suite(.needsDevice) struct HostCarrierTests {
  /// Chunks that hold several tensors, a part of one, or all; the second context cuts vectors as
  /// well.
  private static func choices() throws -> [EngineChoice] {
    try TestDevices.queues.get().flatMap { queue in
      let small = try CommandQueue(Context(queue.device, largestAllocation: 1 << 18))
      return [1000, 4096, 1 << 20].flatMap {
        [EngineChoice.openCL(queue, carrying: $0), .openCL(small, carrying: $0)]
      }
    }
  }

  @Test("chunks change no bit, whatever a step does", arguments: ControlTests.Setting.all)
  func agreement(_ setting: ControlTests.Setting) throws {
    let layout = try ParameterLayout.evenAndOdd()
    func run(_ choice: EngineChoice) throws -> (bits: Digest, steps: Int) {
      let optimizer = try Optimizer(AdamW(weightDecay: 0.1), layout: layout, on: choice)
      try setting.apply(optimizer)
      var x = PinnedSteps(count: layout.count).parameters
      for step in 1...7 {
        var g = PinnedSteps(count: layout.count).gradients(step)
        if step % 3 == 2 { g[(step * 7919) % layout.count] = .nan }
        if step.isMultiple(of: 2) {
          try optimizer.step(&x, gradients: g)
        } else {
          try optimizer.step(&x, zeroing: &g)
          #expect(g.allSatisfy { $0 == 0 })
        }
      }
      return (try Digest(of: optimizer, x), try optimizer.stepCount)
    }
    let expected = try run(.reference)
    for choice in try Self.choices() { #expect(try run(choice) == expected) }
  }

  @Test("sums of gradients and averages of parameters, in chunks")
  func sumsAndAverages() throws {
    let layout = try ParameterLayout(sizes: ParameterLayout.mixedSizes, alignment: 512)
    func run(_ choice: EngineChoice) throws -> Digest {
      let optimizer = try Optimizer(Adam(), layout: layout, on: choice)
      var x = PinnedSteps(count: layout.count).parameters
      for step in 1...6 {
        if step == 3 { optimizer.averaging = ParameterAverage(decay: 0.75) }
        var g = PinnedSteps(count: layout.count).gradients(2 * step)
        try optimizer.accumulate(zeroing: &g)
        #expect(layout.tensors.allSatisfy { g[$0.range].allSatisfy { $0 == 0 } })
        try optimizer.step(&x, gradients: PinnedSteps(count: layout.count).gradients(2 * step + 1))
      }
      var digest = try Digest(of: optimizer, x)
      let average = try optimizer.average()
      for tensor in layout.tensors { digest.combine(Array(average[tensor.range])) }
      return digest
    }
    let expected = try run(.reference)
    for choice in try Self.choices() { #expect(try run(choice) == expected) }
  }

  @Test("plain steps of one group, and memory in pieces that are cut anywhere")
  func pieces() throws {
    let count = 70_737
    for choice in try Self.choices() {
      let layout = try ParameterLayout(count: count)
      let reference = try Optimizer(Adam(), layout: layout, on: .reference)
      let optimizer = try Optimizer(Adam(), layout: layout, on: choice)
      var (x, expected) = (
        PinnedSteps(count: count).parameters, PinnedSteps(count: count).parameters
      )
      for step in 1...3 {
        var g = PinnedSteps(count: count).gradients(step)
        try reference.step(&expected, gradients: g)
        try x.withUnsafeMutableBufferPointer { x in
          try g.withUnsafeMutableBufferPointer { g in
            try optimizer.step(
              [0..<1, 1..<1, 1..<5001, 5001..<count].map {
                UnsafeMutableBufferPointer(rebasing: x[$0])
              },
              gradients: [0..<999, 999..<1000, 1000..<count].map {
                UnsafeBufferPointer(rebasing: g[$0])
              })
          }
        }
      }
      #expect(try Digest(of: optimizer, x) == Digest(of: reference, expected))
    }
  }

  @Test("a model of nothing is carried, too")
  func empty() throws {
    for queue in try TestDevices.queues.get() {
      let optimizer = try Optimizer(
        Adam(), layout: ParameterLayout(count: 0), on: .openCL(queue, carrying: 10))
      var x: [Float] = []
      try optimizer.step(&x, gradients: [])
      #expect(try optimizer.stepCount == 1)
    }
  }

  /// Ten chunks: what fails first, and whether the step had begun by then.
  private static let faults: [(fault: String, isTorn: Bool)] = [
    ("clEnqueueWriteBuffer:1:-5", false), ("clEnqueueWriteBuffer:2:-5", false),
    ("clEnqueueNDRangeKernel:1:-5", false), ("clEnqueueWriteBuffer:7:-5", true),
    ("clEnqueueNDRangeKernel:4:-5", true), ("clEnqueueReadBuffer:1:-5", true),
    ("clEnqueueReadBuffer:10:-5", true), ("clFlush:1:-5", false), ("clFlush:6:-5", true),
    ("clEnqueueNDRangeKernel, later:4:-5", true), ("clEnqueueNDRangeKernel, later:10:-5", true),
    // Uploads are queried before the launch that waits for them.
    ("clEnqueueWriteBuffer, now:1:-5", false), ("clEnqueueWriteBuffer, now:8:-5", true),
    ("clEnqueueWriteBuffer, later:2:-5", false), ("clEnqueueWriteBuffer, later:7:-5", true),
    ("clEnqueueWriteBuffer, skipped:1:-5", false), ("clEnqueueWriteBuffer, skipped:8:-5", true),
    ("clEnqueueReadBuffer, now:1:-5", true), ("clEnqueueReadBuffer, now:10:-5", true),
    ("clEnqueueReadBuffer, later:4:-5", true), ("clEnqueueReadBuffer, later:10:-5", true),
    ("clEnqueueReadBuffer, skipped:1:-5", true), ("clEnqueueReadBuffer, skipped:10:-5", true),
  ]

  @Test("a failure in the middle of a carried step is not forgotten", arguments: faults)
  func torn(fault: String, isTorn: Bool) async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) {
      [layer = layer as String, fault = fault as String, isTorn = isTorn as Bool] in
      CallLayer.load(layer, fault: fault)
      let device = try #require(TestDevices.devices.first)
      let optimizer = try Optimizer(
        Adam(learningRate: 0.1), layout: ParameterLayout(count: 1000),
        on: .openCL(CommandQueue(Context(device)), carrying: 100))
      let g = PinnedSteps(count: 1000).gradients(1)
      let start = PinnedSteps(count: 1000).parameters
      var x = start
      let text = message { try optimizer.step(&x, gradients: g) }
      // What waits for a launch that failed fails with a status of its own.
      let isLater = fault.contains("later") || fault.contains("skipped")
      try #require(
        isLater ? text != "no error" : text.hasSuffix("returned CL_OUT_OF_RESOURCES (-5)"))
      let other = try Optimizer(
        Adam(learningRate: 0.1), layout: ParameterLayout(count: 1000), on: .cpu)
      if isTorn {
        let refusal = message { try optimizer.step(&x, gradients: g) }
        try #require(refusal.hasPrefix("an earlier step failed after it had begun to write"))
        try optimizer.reset()
        x = start
      }
      try #require(try x == start && optimizer.stepCount == 0)
      var expected = start
      for _ in 1...2 {
        try optimizer.step(&x, gradients: g)
        try other.step(&expected, gradients: g)
      }
      try #require(try x == expected && optimizer.stepCount == 2)
      try #require(try optimizer.states() == other.states())
    }
  }

  @Test("after the first step nothing is made, and nothing waits but for a chunk")
  func calls() async throws {
    let layer = try CallLayer.library.get()
    await #expect(processExitsWith: .success) { [layer = layer as String] in
      CallLayer.load(layer)
      let device = try #require(TestDevices.devices.first)
      let optimizer = try Optimizer(
        Adam(learningRate: 0.1), layout: ParameterLayout(count: 1000),
        on: .openCL(CommandQueue(Context(device)), carrying: 100))
      let list = try CallList(layer)
      var x = PinnedSteps(count: 1000).parameters
      for step in 1...4 {
        _ = try list.take()
        try optimizer.step(&x, gradients: PinnedSteps(count: 1000).gradients(step))
        let calls = try list.take()
        if step == 1 { continue }
        try #require(!calls.contains { $0.hasSuffix(", making") }, "\(calls)")
        func count(_ name: String) -> Int { calls.filter { $0 == name }.count }
        try #require(count("clEnqueueNDRangeKernel") == 10)
        try #require(count("clEnqueueWriteBuffer") == 20 && count("clEnqueueReadBuffer") == 10)
        try #require(!calls.contains { $0.hasSuffix("Buffer, blocking") }, "\(calls)")
        // Three chunks are under way before the host waits for one that has not ended; all may
        // have ended by then.
        let first = calls.firstIndex(of: "clWaitForEvents, blocking") ?? calls.endIndex
        try #require(calls[..<first].filter { $0 == "clEnqueueNDRangeKernel" }.count >= 3)
      }
    }
  }
}
#endif
