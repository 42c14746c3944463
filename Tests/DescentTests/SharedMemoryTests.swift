import DescentTestSupport
import Testing

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// What is only read may share memory; what is written is apart from all else.
@Suite struct SharedMemoryTests {
  private struct Pair: ParameterVisitable {
    var a: [Float]
    var b: [Float]

    mutating func visitParameters(_ visitor: inout ParameterVisitor) {
      visitor.visit("a", &a)
      visitor.visit("b", &b)
    }
  }

  /// One array for both tensors.
  private struct Tied: ParameterVisitable {
    var both: [Float]

    mutating func visitParameters(_ visitor: inout ParameterVisitor) {
      visitor.visit("a", &both)
      visitor.visit("b", &both)
    }
  }

  /// One piece of memory for both.
  private struct Memory: ParameterVisitable {
    let both: UnsafeMutableBufferPointer<Float>

    mutating func visitParameters(_ visitor: inout ParameterVisitor) {
      visitor.visit("a", both)
      visitor.visit("b", both)
    }
  }

  @Test("gradients of a model may share their storage")
  func models() throws {
    for choice in try TestEngines.choices() {
      let start = Pair(a: [1, 2, 3], b: [4, 5, 6])
      let layout = try ParameterLayout(of: start)
      let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout, on: choice)
      var model = start
      let one: [Float] = [1, 1, 1]
      try optimizer.step(&model, gradients: Pair(a: one, b: one))
      #expect(model.a == [0, 1, 2] && model.b == [3, 4, 5], "\(optimizer.engineName)")
      try optimizer.step(&model, gradients: Tied(both: [0, 1, 2]))
      #expect(model.a == [0, 0, 0] && model.b == [3, 3, 3])
      var memory: [Float] = [2, 2, 2]
      try memory.withUnsafeMutableBufferPointer {
        try optimizer.step(&model, gradients: Memory(both: $0))
        try optimizer.accumulate(Memory(both: $0))
      }
      #expect(model.a == [-2, -2, -2] && model.b == [1, 1, 1] && memory == [2, 2, 2])
      try optimizer.accumulate(Pair(a: one, b: one))
      try optimizer.step(&model, gradients: Pair(a: one, b: one))
      #expect(model.a == [-6, -6, -6] && model.b == [-3, -3, -3])
      // With copies of one storage there is one to zero for each.
      var zeroed = Pair(a: one, b: one)
      try optimizer.step(&model, zeroing: &zeroed)
      #expect(model.a == [-7, -7, -7] && zeroed.a == [0, 0, 0] && zeroed.b == [0, 0, 0])
      #expect(one == [1, 1, 1])
      // What is written comes once.
      var tied = Tied(both: [1, 1, 1])
      #expect(
        message { try optimizer.step(&model, zeroing: &tied) }
          == "tensor \"b\": the gradients have another tensor's memory for it; tied tensors are "
          + "handed over once")
      #expect(tied.both == [1, 1, 1])
      memory.withUnsafeMutableBufferPointer {
        var shared = Memory(both: $0)
        #expect(
          message { try optimizer.step(&model, zeroing: &shared) } == "\(DescentError.overlap)")
        #expect(
          message { try optimizer.step(&shared, gradients: Pair(a: one, b: one)) }
            == "\(DescentError.overlap)")
      }
      #expect(model.a == [-7, -7, -7] && memory == [2, 2, 2])
    }
  }

  @Test("pieces of gradients may overlap while they are only read")
  func pieces() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 6), on: choice)
      var memory: [Float] = [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5]
      try memory.withUnsafeMutableBufferPointer { memory in
        func part(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
          UnsafeMutableBufferPointer(rebasing: memory[range])
        }
        let (x, wide, within) = (part(0..<6), part(6..<10), part(7..<9))
        for _ in 1...2 {
          try optimizer.step([x], gradients: [wide, within].map { UnsafeBufferPointer($0) })
        }
        try optimizer.accumulate([wide, within].map { UnsafeBufferPointer($0) })
        func refuses(_ body: () throws -> Void) {
          #expect(message(body) == "\(DescentError.overlap)")
        }
        let read = [wide, within].map { UnsafeBufferPointer($0) }
        // What was apart as it was read is not as it is written.
        refuses { try optimizer.step([x], zeroing: [wide, within]) }
        refuses { try optimizer.accumulate(zeroing: [wide, within]) }
        refuses {
          try optimizer.step(
            [part(0..<3), part(2..<5)], gradients: UnsafeBufferPointer(part(5..<11)))
        }
        refuses { try optimizer.step([part(5..<11)], gradients: read) }
        refuses { try optimizer.step([part(6..<7), part(0..<5)], gradients: read) }
      }
      #expect(memory == [-2, -4, -6, -8, -4, -6, 1, 2, 3, 4, 5], "\(optimizer.engineName)")
    }
  }

  @Test("the stateless tier reads parameters and gradients from one vector")
  func delta() throws {
    let rule = Momentum(learningRate: 1)
    let x: [Float] = [1, 2]
    var (states, deltas): ([[Float]], [Float]) = ([[0, 0]], [7, 7])
    try rule.delta(x, gradients: x, states: &states, into: &deltas, step: 1)
    #expect(deltas == [-1, -2] && states == [[1, 2]])
    var memory: [Float] = [1, 2, 0, 4, 5, 6]
    try memory.withUnsafeMutableBufferPointer { memory in
      func part(_ start: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: memory[start..<start + 2])
      }
      func delta(_ x: Int, _ g: Int, _ state: Int, _ deltas: Int) throws {
        try rule.delta(
          parameters: UnsafeBufferPointer(part(x)), gradients: UnsafeBufferPointer(part(g)),
          states: [part(state)], into: part(deltas), step: 1)
      }
      for (x, g, state, deltas) in [(0, 2, 1, 4), (0, 2, 4, 3), (0, 0, 2, 3), (0, 0, 4, 0)] {
        #expect(message { try delta(x, g, state, deltas) } == "\(DescentError.overlap)")
      }
      #expect(
        message {
          try rule.update(
            parameters: part(0), gradients: UnsafeBufferPointer(part(0)), states: [part(2)], step: 1
          )
        } == "\(DescentError.overlap)")
      #expect(Array(memory) == [1, 2, 0, 4, 5, 6])
      let one = [0, 2, 4].map { UnsafeMutableBufferPointer(rebasing: memory[$0..<$0 + 1]) }
      try rule.delta(
        parameters: one[0], gradients: one[0], states: [one[1]], into: one[2], step: 1)
      #expect(Array(memory) == [1, 2, 1, 4, -1, 6])
    }
  }

  #if OpenCL
  @Test("slices of gradients on a device", .needsDevice)
  func slices() throws {
    for queue in try TestDevices.queues.get() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 4), on: .openCL(queue))
      let x = try Buffer<Float>(queue.context, copying: [0, 0, 0, 0, 9])
      let g = try Buffer<Float>(queue.context, copying: [1, 2, 3])
      let slices = [try g.slice(0..<3), try g.slice(1..<2)]
      try optimizer.enqueueAccumulate(slices)
      try optimizer.enqueueStep([x.slice(0..<4)], gradients: slices)
      #expect(try x.read(on: queue) == [-2, -4, -6, -4, 9])
      for refused in [
        { try optimizer.enqueueStep([x.slice(0..<4)], gradients: slices, zeroing: true) },
        { try optimizer.enqueueAccumulate(slices, zeroing: true) },
        {
          try optimizer.enqueueStep([x.slice(0..<4)], gradients: [x.slice(3..<5), g.slice(0..<2)])
        },
        { try optimizer.enqueueStep([x.slice(0..<2), x.slice(1..<3)], gradients: slices) },
      ] as [() throws -> Event] {
        #expect(message { _ = try refused() } == "\(DescentError.overlap)")
      }
      #expect(try g.read(on: queue) == [1, 2, 3] && x.read(on: queue) == [-2, -4, -6, -4, 9])
    }
  }
  #endif
}
