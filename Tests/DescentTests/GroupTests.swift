import DescentTestSupport
import Testing

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// A step over a whole model: groups, gaps and pieces of memory, on every engine.
@Suite struct GroupTests {
  /// Tensors of two groups in turn, with gaps, some longer than a block of small work-groups.
  private static func layout(_ alignment: Int) throws -> ParameterLayout {
    var layout = try ParameterLayout(
      sizes: [1, 0, 37, 64, 65, 3, 129, 300, 5000], alignment: alignment
    ) { $0.isMultiple(of: 3) ? "slow" : "default" }
    try layout.append("far", shape: [7], at: layout.count + 11)
    try layout.setGroup("slow", to: ParameterGroup(learningRateFactor: 0.5, weightDecay: 0))
    return layout
  }

  private static let rule = AdamW(learningRate: 0.1, weightDecay: 0.5)

  private static func gradients(_ count: Int, _ step: Int) -> [Float] {
    (0..<count).map { Float(($0 * 7 + step * 13) % 19) - 9 }
  }

  /// What every tensor must become, each with an optimizer of its own on the reference engine.
  private static func expected(_ layout: ParameterLayout, steps: Int) throws -> [Float] {
    var result = [Float](repeating: .nan, count: layout.count)
    for tensor in layout.tensors {
      var own = rule
      if tensor.group == "slow" { (own.learningRate, own.weightDecay) = (0.05, 0) }
      let optimizer = try Optimizer(
        own, layout: ParameterLayout(count: tensor.count), on: .reference)
      var x = [Float](repeating: 1, count: tensor.count)
      for step in 1...steps {
        try optimizer.step(&x, gradients: Array(gradients(layout.count, step)[tensor.range]))
      }
      result.replaceSubrange(tensor.range, with: x)
    }
    return result
  }

  /// 1 in tensors and NaN between them: elements between tensors must not matter.
  private static func start(_ layout: ParameterLayout) -> [Float] {
    var result = [Float](repeating: .nan, count: layout.count)
    for tensor in layout.tensors {
      result.replaceSubrange(tensor.range, with: repeatElement(1, count: tensor.count))
    }
    return result
  }

  private static func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

  @Test(
    "groups follow their settings, and nothing between tensors changes", arguments: [4, 64, 512])
  func settings(alignment: Int) throws {
    let layout = try Self.layout(alignment)
    let expected = try Self.expected(layout, steps: 3)
    for engine in try TestEngines.cutBelowTiles() {
      let optimizer = try Optimizer(Self.rule, layout: layout, on: engine)
      var x = Self.start(layout)
      for step in 1...3 {
        try optimizer.step(&x, gradients: Self.gradients(layout.count, step))
      }
      #expect(Self.bits(x) == Self.bits(expected), "\(optimizer.engineName)")
    }
  }

  @Test("vectors in pieces, cut anywhere and each in its own way")
  func pieces() throws {
    let layout = try Self.layout(4)
    let expected = try Self.expected(layout, steps: 2)
    for engine in try TestEngines.cutBelowTiles() {
      let optimizer = try Optimizer(Self.rule, layout: layout, on: engine)
      var x = Self.start(layout)
      for (step, cuts) in [(1, [0, 1, 40, 40, 300]), (2, [0, 100, 101])] {
        var g = Self.gradients(layout.count, step)
        try x.withUnsafeMutableBufferPointer { x in
          try g.withUnsafeMutableBufferPointer { g in
            try optimizer.step(
              Self.pieces(of: x, cuts),
              gradients: Self.pieces(of: g, [0, 7, 170]).map { UnsafeBufferPointer($0) })
          }
        }
      }
      #expect(Self.bits(x) == Self.bits(expected), "\(optimizer.engineName)")
    }
  }

  private static func pieces(
    of memory: UnsafeMutableBufferPointer<Float>, _ starts: [Int]
  ) -> [UnsafeMutableBufferPointer<Float>] {
    zip(starts, starts.dropFirst() + [memory.count]).map {
      UnsafeMutableBufferPointer(rebasing: memory[$0..<$1])
    }
  }

  @Test("pieces that overlap or do not add up are refused before anything is touched")
  func wrongPieces() throws {
    let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 6))
    var memory = [Float](repeating: 1, count: 12)
    memory.withUnsafeMutableBufferPointer { memory in
      func part(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: memory[range])
      }
      let gradients = [UnsafeBufferPointer(part(6..<12))]
      #expect(
        message { try optimizer.step([part(0..<4), part(3..<5)], gradients: gradients) }
          == "\(DescentError.overlap)")
      #expect(
        message { try optimizer.step([part(0..<4), part(5..<7)], gradients: gradients) }
          == "\(DescentError.overlap)")
      #expect(
        message { try optimizer.step([part(0..<4)], gradients: gradients) }
          == "parameters: 4 given, 6 expected")
    }
    #expect(try memory == [Float](repeating: 1, count: 12) && optimizer.stepCount == 0)
  }

  @Test("a frozen group stays, counts no step, and begins its bias correction when it thaws")
  func frozen() throws {
    var layout = ParameterLayout()
    try layout.append("a", shape: [3])
    try layout.append("b", shape: [3], group: "late")
    try layout.setGroup("late", to: ParameterGroup(isFrozen: true))
    for engine in try TestEngines.cutBelowTiles() {
      let optimizer = try Optimizer(Adam(learningRate: 0.1), layout: layout, on: engine)
      var x = [Float](repeating: 1, count: 6)
      let g: [Float] = [1, 2, 3, 1, 2, 3]
      for _ in 0..<3 { try optimizer.step(&x, gradients: g) }
      #expect(x[3...] == [1, 1, 1], "\(optimizer.engineName)")
      #expect(try optimizer.state("m", of: "b") == [0, 0, 0])
      #expect(try optimizer.stepCount(ofGroup: "late") == 0 && optimizer.stepCount == 3)
      try optimizer.setGroup("late", to: ParameterGroup())
      let first = x
      try optimizer.step(&x, gradients: g)
      // Adam's first step is η whatever the gradient.
      for i in 3..<6 { #expect(abs(first[i] - x[i] - 0.1) < 1e-6) }
      #expect(try optimizer.stepCount(ofGroup: "late") == 1)
    }
  }

  @Test("a group's setting that the rule cannot follow is refused, and the one before stays")
  func refused() throws {
    var layout = try ParameterLayout(count: 2)
    let optimizer = try Optimizer(Nesterov(), layout: layout)
    #expect(message { _ = try optimizer.group("x") } == "there is no group \"x\"; there is default")
    #expect(
      message {
        try optimizer.setGroup("default", to: ParameterGroup(learningRateFactor: .infinity))
      }.contains("learningRateFactor is inf"))
    #expect(try optimizer.group("default") == ParameterGroup())
    try layout.setGroup("default", to: ParameterGroup(learningRateFactor: 1e30))
    #expect(
      message { _ = try Optimizer(SGD(learningRate: 1e30), layout: layout) }
        .contains("e+60; allowed is"))
  }

  @Test("groups' step counts are restored")
  func restored() throws {
    var layout = ParameterLayout()
    try layout.append("a", shape: [1])
    try layout.append("b", shape: [1], group: "late")
    let optimizer = try Optimizer(Adam(), layout: layout)
    try optimizer.restore(
      states: ["m": [0, 0], "v": [0, 0]], stepCount: 9, groupStepCounts: ["late": 2])
    #expect(try optimizer.stepCount(ofGroup: "default") == 9)
    #expect(try optimizer.stepCount(ofGroup: "late") == 2)
    #expect(
      message {
        try optimizer.restore(
          states: ["m": [0, 0], "v": [0, 0]], stepCount: 9, groupStepCounts: ["late": -1])
      } == "the step count of group \"late\" is -1; allowed is 0 to 9007199254740992")
    #expect(try optimizer.stepCount(ofGroup: "late") == 2)
  }
}

#if OpenCL
/// The same over memory of a device.
@Suite struct DeviceLaunchTests {
  @Test("one launch, however many tensors; one more for each piece of memory", .needsDevice)
  func launches() throws {
    for queue in try TestDevices.queues.get() {
      var flat = ParameterLayout()
      var grouped = try ParameterLayout(alignment: 512)
      for index in 0..<100 {
        try flat.append("\(index)", shape: [index])
        try grouped.append("\(index)", shape: [index], group: "\(index % 2)")
      }
      for layout in [flat, grouped] {
        let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
        let x = try Buffer(queue.context, copying: [Float](repeating: 1, count: layout.count))
        let g = try Buffer(queue.context, copying: [Float](repeating: 1, count: layout.count))
        try optimizer.enqueueStep(x, gradients: g)
        #expect(optimizer.launchesPerStep == 1)
        let half = try [x.slice(0..<1000), x.slice(1000..<layout.count)]
        try optimizer.enqueueStep(half, gradients: [g.whole])
        #expect(optimizer.launchesPerStep == 2)
      }
    }
  }

  @Test("separate buffers for every tensor give the bits of one vector", .needsDevice)
  func separate() throws {
    for queue in try TestDevices.queues.get() {
      let sizes = [5, 1, 300, 17]
      var layout = ParameterLayout()
      for (index, size) in sizes.enumerated() { try layout.append("\(index)", shape: [size]) }
      let reference = try Optimizer(Adam(), layout: layout, on: .reference)
      let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
      var expected = (0..<layout.count).map { Float($0) }
      let g = expected.map { $0 - 100 }
      let x = try layout.tensors.map {
        try Buffer(queue.context, copying: Array(expected[$0.range]))
      }
      let gradients = try layout.tensors.map {
        try Buffer(queue.context, copying: Array(g[$0.range]))
      }
      for _ in 0..<40 {
        try reference.step(&expected, gradients: g)
        try optimizer.enqueueStep(x.map(\.whole), gradients: gradients.map(\.whole))
      }
      #expect(optimizer.launchesPerStep == 4)
      #expect(try x.flatMap { try $0.read(on: queue) } == expected)
    }
  }

  @Test("more table steps in flight than the ring has slots", .needsDevice)
  func ring() throws {
    for queue in try TestDevices.queues.get() {
      var layout = ParameterLayout()
      for index in 0..<10 { try layout.append("\(index)", shape: [50], group: "\(index % 3)") }
      let reference = try Optimizer(Adam(), layout: layout, on: .reference)
      let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
      var expected = [Float](repeating: 1, count: layout.count)
      let g = (0..<layout.count).map { Float($0 % 7) - 3 }
      let x = try Buffer(queue.context, copying: expected)
      let gradients = try Buffer(queue.context, copying: g)
      for step in 1...100 {
        for optimizer in [reference, optimizer] { optimizer.setLearningRate(1 / Double(step)) }
        try reference.step(&expected, gradients: g)
        try optimizer.enqueueStep(x, gradients: gradients)
      }
      #expect(try x.read(on: queue) == expected)
    }
  }

  @Test("a buffer of another context is refused before anything is touched", .needsDevice)
  func otherContext() throws {
    for queue in try TestDevices.queues.get() {
      let other = try Context(queue.device)
      let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 2), on: .openCL(queue))
      let x = try Buffer(queue.context, copying: [Float(1), 2])
      let far = try Buffer(other, copying: [Float(1)])
      let near = try Buffer(queue.context, copying: [Float(1)])
      #expect(
        message { try optimizer.enqueueStep([x.whole], gradients: [near.whole, far.whole]) }
          == "the memory of gradients is in another context; "
          + "allowed is the context of the optimizer's queue")
      #expect(try optimizer.stepCount == 0)
      #expect(try x.read(on: queue) == [1, 2])
    }
  }
}
#endif
