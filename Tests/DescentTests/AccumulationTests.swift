import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// Gradients summed up over several batches inside the step: against sums made by hand.
@Suite struct AccumulationTests {
  static let settings = ControlTests.Setting.all.filter {
    ["skip", "tensor norm", "value", "groups of all kinds", "loss scale"]
      .contains($0.testDescription)
  }

  /// How many gradients each step has.
  private static let windows = [3, 1, 2, 4]

  /// Those of a step, small enough that no sum of them overflows; in the third step a batch is not
  /// finite.
  private static func gradients(_ count: Int, _ step: Int) -> [[Float]] {
    (0..<windows[step % windows.count]).map { batch in
      var result = PinnedSteps(count: count).gradients(step * 10 + batch + 1).map { $0 / 16 }
      if step == 2 && batch == 0 { result[7919 % count] = .infinity }
      return result
    }
  }

  private static func summed(_ gradients: [[Float]]) -> [Float] {
    gradients.dropFirst().reduce(gradients[0]) { sum, g in zip(sum, g).map { $0 + $1 } }
  }

  @Test("every engine takes the sum that is made by hand, to the bit", arguments: settings)
  func agreement(_ setting: ControlTests.Setting) throws {
    for layout in [
      try ParameterLayout.evenAndOdd(), try ParameterLayout.evenAndOdd(alignment: 512),
    ] {
      func run(
        _ choice: EngineChoice, _ step: (Optimizer, inout [Float], Int) throws -> Void
      ) throws -> RunOutcome {
        let optimizer = try Optimizer(AdamW(weightDecay: 0.1), layout: layout, on: choice)
        try setting.apply(optimizer)
        var x = PinnedSteps(count: layout.count).parameters
        for index in 0..<4 { try step(optimizer, &x, index) }
        return try RunOutcome(optimizer, x)
      }
      let expected = try run(.reference) {
        try $0.step(
          &$1, gradients: Self.summed(Self.gradients(layout.count, $2)), gradientScale: 0.25)
      }
      for choice in try TestEngines.cut() + [.reference] {
        let found = try run(choice) { optimizer, x, index in
          let gradients = Self.gradients(layout.count, index)
          for g in gradients.dropLast() { try optimizer.accumulate(g) }
          #expect(optimizer.accumulatedCount == gradients.count - 1)
          try optimizer.step(&x, gradients: gradients[gradients.count - 1], gradientScale: 0.25)
          #expect(optimizer.accumulatedCount == 0)
        }
        #expect(found == expected, "\(choice)")
        let zeroing = try run(choice) { optimizer, x, index in
          var gradients = Self.gradients(layout.count, index)
          for batch in gradients.indices.dropLast() {
            try optimizer.accumulate(zeroing: &gradients[batch])
          }
          try optimizer.step(&x, zeroing: &gradients[gradients.count - 1], gradientScale: 0.25)
          for (zeroed, given) in zip(gradients, Self.gradients(layout.count, index)) {
            // Zero in tensors, and what it was between them.
            var expected = given
            for tensor in layout.tensors {
              for index in tensor.range { expected[index] = 0 }
            }
            #expect(zeroed.map(\.bitPattern) == expected.map(\.bitPattern), "\(choice)")
          }
        }
        #expect(zeroing == expected, "\(choice), zeroing")
      }
    }
  }

  @Test("vectors in pieces, cut in another way each time")
  func pieces() throws {
    let layout = try ParameterLayout(count: 300)
    for choice in try TestEngines.cut() + [.reference] {
      let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout, on: choice)
      var x = [Float](repeating: 0, count: 300)
      var g = (0..<300).map { Float($0) }
      try g.withUnsafeMutableBufferPointer { g in
        func pieces(_ cuts: [Int]) -> [UnsafeMutableBufferPointer<Float>] {
          zip(cuts, cuts.dropFirst() + [300]).map {
            UnsafeMutableBufferPointer(rebasing: g[$0..<$1])
          }
        }
        try optimizer.accumulate(pieces([0, 1, 77]).map { UnsafeBufferPointer($0) })
        try optimizer.accumulate(UnsafeBufferPointer(g).span)
        try optimizer.accumulate(zeroing: pieces([0, 0, 200, 299]))
        #expect(
          message { try optimizer.accumulate(pieces([0, 1, 1]).map { _ in g }) }
            == "gradients: 900 given, 300 expected")
        #expect(
          message {
            let half = UnsafeMutableBufferPointer(rebasing: g[..<150])
            try optimizer.accumulate(zeroing: [half, half])
          } == "\(DescentError.overlap)")
      }
      #expect(optimizer.accumulatedCount == 3 && g.allSatisfy { $0 == 0 })
      try optimizer.step(&x, gradients: [Float](repeating: 1, count: 300))
      #expect(x == (0..<300).map { -Float(3 * $0 + 1) }, "\(optimizer.engineName)")
    }
  }

  private struct Line: ParameterVisitable {
    var slope: [Float]
    var offset: [Float]

    mutating func visitParameters(_ visitor: inout ParameterVisitor) {
      visitor.visit("slope", &slope)
      visitor.visit("offset", &offset)
    }
  }

  @Test("gradients that lie in a model are summed up where they lie")
  func models() throws {
    var model = Line(slope: [0, 0], offset: [0])
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(of: model), on: choice)
      model = Line(slope: [0, 0], offset: [0])
      var first = Line(slope: [1, 2], offset: [3])
      try optimizer.accumulate(first)
      try optimizer.accumulate(zeroing: &first)
      try optimizer.step(&model, gradients: Line(slope: [1, 1], offset: [1]))
      #expect(model.slope == [-3, -5] && model.offset == [-7] && first.slope == [0, 0])
    }
  }

  @Test("a sum belongs to one step, can be dropped, and is no state")
  func life() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 2), on: choice)
      var x: [Float] = [0, 0]
      try optimizer.accumulate([1, 2])
      #expect(
        message { _ = try optimizer.states() }.contains("call dropAccumulated()"))
      optimizer.dropAccumulated()
      try optimizer.step(&x, gradients: [1, 1])
      #expect(x == [-1, -1])
      try optimizer.accumulate([1, 2])
      optimizer.leftOut = ["parameters"]
      try optimizer.step(&x, gradients: [1, 1])
      optimizer.leftOut = []
      #expect(x == [-1, -1] && optimizer.accumulatedCount == 0)
      try optimizer.accumulate([5, 5])
      try optimizer.reset()
      try optimizer.step(&x, gradients: [1, 1])
      #expect(x == [-2, -2])
      #expect(message { try optimizer.accumulate([1]) } == "gradients: 1 given, 2 expected")
      // A refused step keeps the sum.
      try optimizer.accumulate([1, 2])
      #expect(
        message { try optimizer.step(&x, gradients: [1, 1], gradientScale: .nan) } != "no error")
      try optimizer.step(&x, gradients: [1, 1])
      #expect(x == [-4, -5])
    }
  }

  #if OpenCL
  @Test("sums on a device under a queue kept deep, with skips", .needsDevice)
  func deep() throws {
    let layout = try ParameterLayout.evenAndOdd()
    for queue in try TestDevices.queues.get() {
      let context = try Context(queue.device, largestAllocation: 1 << 18)
      for queue in [queue, try CommandQueue(context)] {
        let reference = try Optimizer(Adam(), layout: layout, on: .reference)
        let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
        for both in [reference, optimizer] { both.clipping = .globalNorm(0.5) }
        var expected = [Float](repeating: 1, count: layout.count)
        let cut = layout.tensors[4].range.lowerBound
        func device(_ values: [Float]) throws -> [BufferSlice<Float>] {
          [
            try Buffer(queue.context, copying: Array(values[..<cut])).whole,
            try Buffer(queue.context, copying: [0] + values[cut..<cut + 16384]).slice(1..<16385),
            try Buffer(queue.context, copying: Array(values[(cut + 16384)...])).whole,
          ]
        }
        let x = try device(expected)
        for step in 0..<8 {
          let gradients = Self.gradients(layout.count, step)
          try reference.step(&expected, gradients: Self.summed(gradients))
          let onDevice = try gradients.map(device)
          for g in onDevice.dropLast() {
            try optimizer.enqueueAccumulate(g, zeroing: step.isMultiple(of: 2))
          }
          try optimizer.enqueueStep(x, gradients: onDevice[onDevice.count - 1])
          if step == 0, let first = onDevice.first {
            #expect(try first[1].buffer.read(on: queue).allSatisfy { $0 == 0 })
          }
        }
        let found = try x.flatMap { try $0.buffer.read(on: queue)[$0.range] }
        #expect(Digest(found) == Digest(expected))
        #expect(try optimizer.skippedStepCount == 1 && reference.skippedStepCount == 1)
        #expect(try optimizer.lastNorm == reference.lastNorm)
        for name in optimizer.stateNames {
          #expect(try Digest(optimizer.state(name)) == Digest(reference.state(name)))
        }
      }
    }
  }

  @Test("a group that sums a tile adds the sum before it as the item does", .needsDevice)
  func tileBodies() throws {
    let layout = try ParameterLayout.evenAndOdd()
    let control = StepControl(clipping: .tensorNorm(1), isFrozen: [false, false])
    let g = PinnedSteps(count: layout.count).gradients(3).map { $0 / 2 }
    let sum = PinnedSteps(count: layout.count).gradients(4).map { $0 / 2 }
    for queue in try TestDevices.queues.get() {
      let (gradients, sums) = (
        try Buffer(queue.context, copying: g), try Buffer(queue.context, copying: sum)
      )
      var found: [[Float]] = []
      for groupPerTile in [false, true] {
        let norm = try DeviceNorm(layout, control, queue.context, groupPerTile: groupPerTile)
        try norm.prepare(
          Pieces(count: layout.count), of: .float32, sum: Pieces(count: layout.count), queue.context
        )
        let state = try DeviceControl(queue, lossScale: nil)
        try norm.enqueue(
          [DeviceSlice(gradients.whole, of: .float32)],
          with: [DeviceSlice(sums.whole, of: .float32)], scale: 1,
          state: state.state, on: queue, after: [])
        let now = try state.state.read(on: queue)[0]
        found.append(try norm.coefficients.read(on: queue) + [now.total.sum, Float(now.applied)])
      }
      #expect(found[0] == found[1] && found[0].last == 1 && found[0].contains { $0 < 1 })
    }
  }

  @Test("gradients of another context, or an engine without a device, are refused", .needsDevice)
  func refused() throws {
    for queue in try TestDevices.queues.get() {
      let far = try Buffer(try Context(queue.device), copying: [Float(1), 2])
      let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 2), on: .openCL(queue))
      #expect(
        message { try optimizer.enqueueAccumulate(far) }
          == "the memory of gradients is in another context; "
          + "allowed is the context of the optimizer's queue")
      let host = try Optimizer(SGD(), layout: ParameterLayout(count: 2), on: .cpu)
      #expect(
        message { try host.enqueueAccumulate(far) }.hasPrefix(
          "enqueueAccumulate needs an optimizer"))
      #expect(optimizer.accumulatedCount == 0 && host.accumulatedCount == 0)
    }
  }
  #endif
}
