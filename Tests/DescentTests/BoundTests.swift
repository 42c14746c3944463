import DescentKernels
import DescentTestSupport
import Foundation
import Testing

@testable import Descent

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

#if OpenCL
import OpenCLHost
#endif

/// Bounds of what can be counted, of memory, of the stack and of threads.
@Suite struct BoundTests {
  private static let most = OptimizerStatus.maximumStepCount

  @Test("a step count beyond what files hold is refused where it is set, and never reached")
  func stepCounts() throws {
    #expect(Self.most == 1 << 53)
    for choice in try TestEngines.choices() {
      var layout = ParameterLayout()
      try layout.append("a", shape: [1], group: "a")
      try layout.append("b", shape: [1], group: "b")
      let optimizer = try Optimizer(Adam(learningRate: 1), layout: layout, on: choice)
      let states: [String: [Float]] = ["m": [1, 2], "v": [3, 4]]
      for count in [Int.max, .min, -1, Self.most + 1] {
        #expect(
          message { try optimizer.restore(states: states, stepCount: count) }
            == "stepCount is \(count); allowed is 0 to 9007199254740992")
        #expect(
          message {
            try optimizer.restore(states: states, stepCount: 1, groupStepCounts: ["b": count])
          } == "the step count of group \"b\" is \(count); allowed is 0 to 9007199254740992")
      }
      #expect(try optimizer.stepCount == 0 && optimizer.state("m") == [0, 0])
      var x: [Float] = [1, 1]
      try optimizer.restore(states: states, stepCount: Self.most - 1)
      for skips in [false, true] {
        optimizer.skipsNonFinite = skips
        for groups in [[:], ["a": Self.most]] {
          try optimizer.restore(
            states: states, stepCount: groups.isEmpty ? Self.most - 1 : 3, groupStepCounts: groups)
          if groups.isEmpty { try optimizer.step(&x, gradients: [1, 1]) }
          let before = x
          // One more could not be saved.
          #expect(
            message { try optimizer.step(&x, gradients: [1, 1]) }
              == "the step count before a step is 9007199254740992; "
              + "allowed is less than 9007199254740992")
          #expect(x == before)
          _ = try optimizer.state
        }
      }
      try optimizer.reset()
      try optimizer.step(&x, gradients: [1, 1])
      #expect(try optimizer.stepCount == 1)
    }
  }

  @Test("the same of a step that the caller counts")
  func statelessCounts() throws {
    let rule = Adam()
    var (x, states): ([Float], [[Float]]) = ([1], [[0], [0]])
    var deltas: [Float] = [7]
    for step in [Int.max, Self.most + 1] {
      let expected = "step is \(step); allowed is 1 to 9007199254740992"
      #expect(
        message { try rule.update(&x, gradients: [1], states: &states, step: step) } == expected)
      #expect(
        message { try rule.delta(x, gradients: x, states: &states, into: &deltas, step: step) }
          == expected)
      #expect(
        message { try rule.referenceUpdate(&x, gradients: [1], states: &states, step: step) }
          == expected)
    }
    #expect(x == [1] && states == [[0], [0]] && deltas == [7])
    try rule.update(&x, gradients: [1], states: &states, step: Self.most)
  }

  #if OpenCL
  @Test("a plan that no memory holds is refused, and one without states needs none", .needsDevice)
  func plans() throws {
    for queue in try TestDevices.queues.get() {
      let whole = try ParameterLayout(count: 1 << 50)
      _ = try Optimizer(SGD(), layout: whole, on: .openCL(queue))
      #expect(throws: DescentError.self) {
        try Optimizer(Adam(), layout: whole, on: .openCL(queue))
      }
    }
    let run = StepPlan.Run(
      start: 0, count: 1 << 50, group: 0, set: 0, program: 0, parameters: .init(),
      gradients: .init(), states: .init(), vectors: .init())
    #expect(throws: DescentError.memory(bytes: 32 << 40)) {
      try descent_block.covering([run], block: 1024)
    }
  }

  @Test("segments end where tiles do, as found by the list of all tiles", .needsDevice)
  func cuts() throws {
    guard let queue = try TestDevices.queues.get().first else { return }
    for bytes in [1 << 12, 1 << 16, 1 << 18, 3 << 17] {
      let context = try Context(queue.device, largestAllocation: bytes)
      let layout = try Self.manyTensors()
      let cuts = SegmentCuts(layout, context)
      let starts = Tile.covering(layout.tensors).tiles.map(\.start)
      var (expected, start): ([Int], Int) = ([], 0)
      while start < layout.count {
        let end = start + context.largestAllocation / 4
        let last = starts.last { $0 <= end } ?? 0
        let next = end >= layout.count ? layout.count : last > start ? last : end
        expected.append(next - start)
        start = next
      }
      #expect(cuts.pieces(of: 0..<layout.count).counts == expected)
    }
  }
  #endif

  private static func manyTensors() throws -> ParameterLayout {
    var layout = try ParameterLayout(alignment: 64)
    for (index, size) in [3, 0, 100_000, 1, 20_000, 16_384, 7, 65_536, 0, 40_000].enumerated() {
      try layout.append("\(index)", shape: [size])
    }
    return layout
  }

  #if os(Linux)
  /// What this process has mapped, and `bytes` more.
  private static func limitMemory(to bytes: Int) throws {
    let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    let mapped = try #require(Int(pages.split(separator: " ")[0])) * sysconf(Int32(_SC_PAGESIZE))
    var limit = rlimit(rlim_cur: rlim_t(mapped + bytes), rlim_max: rlim_t(mapped + bytes))
    try #require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
  }

  @Test("without memory for another vector states are reset, and a copy of them is refused")
  func noMemory() async {
    await #expect(processExitsWith: .success) {
      let count = 1 << 26
      let optimizer = try Optimizer(Momentum(), layout: ParameterLayout(count: count), on: .cpu)
      try optimizer.setState("b", of: "parameters", to: [Float](repeating: 3, count: count))
      try Self.limitMemory(to: 1 << 27)
      #expect(throws: DescentError.memory(bytes: 4 * count)) { try optimizer.states() }
      #expect(throws: DescentError.memory(bytes: 4 * count)) { try optimizer.state("b") }
      #expect(throws: DescentError.memory(bytes: 4 * count)) {
        try optimizer.state("b", of: "parameters")
      }
      try optimizer.reset()
      #expect(try optimizer.stepCount == 0)
    }
  }

  @Test("the engine's name counts the threads that the system gave")
  func threads() async {
    await #expect(processExitsWith: .success) {
      func tasks() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
      }
      let before = try tasks()
      try Self.limitMemory(to: 100 << 20)
      let layout = try ParameterLayout(count: 10_000)
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: layout, on: .cpu(threads: 64, instructions: nil, block: 100))
      let threads = try tasks() - before + 1
      #expect(threads < 64 && threads > 1)
      #expect(optimizer.engineName.hasSuffix(", \(threads) threads)"), "\(optimizer.engineName)")
      var x = [Float](repeating: 1, count: 10_000)
      try optimizer.step(&x, gradients: x)
      #expect(x.allSatisfy { $0 == 0 })
      try Self.limitMemory(to: 1 << 20)
      let single = try Optimizer(
        SGD(), layout: layout, on: .cpu(threads: 64, instructions: nil, block: 100))
      #expect(single.engineName.hasSuffix(", 1 thread)"), "\(single.engineName)")
    }
  }
  #endif

  private struct Many: ParameterVisitable {
    var arrays: [[Float]]

    mutating func visitParameters(_ visitor: inout ParameterVisitor) {
      for index in arrays.indices { visitor.visit("\(index)", &arrays[index]) }
    }
  }

  @Test("a model of many arrays on threads with small stacks", arguments: [128, 192, 256, 1024])
  func stack(kilobytes: Int) async {
    await #expect(processExitsWith: .success) { [kilobytes = kilobytes as Int] in
      // The thread's, until it has ended.
      nonisolated(unsafe) var found = "nothing"
      let thread = Thread {
        found = message {
          for count in [1, 16, 256, 600] {
            let arrays = (0..<count).map { i in (0...(i % 7)).map { Float($0 + i) } }
            var (model, gradients) = (Many(arrays: arrays), Many(arrays: arrays))
            let optimizer = try Optimizer(
              Momentum(learningRate: 1), layout: ParameterLayout(of: model), on: .cpu)
            try optimizer.step(&model, gradients: gradients)
            try optimizer.step(&model, zeroing: &gradients)
            let right = arrays.map { $0.map { -1.9 * $0 } }
            for (found, right) in zip(model.arrays.joined(), right.joined())
            where abs(found - right) > 1e-5 * abs(right) { throw DescentError.overlap }
            for g in gradients.arrays.joined() where g != 0 { throw DescentError.settled }
          }
        }
      }
      thread.stackSize = kilobytes << 10
      thread.start()
      while !thread.isFinished { usleep(1000) }
      #expect(found == "no error")
    }
  }
}
