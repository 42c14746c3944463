import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// The average of the parameters inside the step: against one that is moved by hand.
@Suite struct AverageTests {
  /// Every third with one that is not finite.
  private static func gradients(_ count: Int, _ step: Int) -> [Float] {
    var result = PinnedSteps(count: count).gradients(step).map { $0 / 2 }
    if step % 3 == 2 { result[(step * 7919) % count] = .infinity }
    return result
  }

  /// Whether a step moves what is in a tensor: steps 3 and 4 have a group frozen, step 6 leaves one
  /// out.
  private static func prepare(_ optimizer: Optimizer, _ step: Int) throws {
    try optimizer.setGroup("odd", to: ParameterGroup(isFrozen: step == 3 || step == 4))
    optimizer.leftOut = step == 6 ? ["t4"] : []
  }

  private static func moves(_ tensor: ParameterLayout.Tensor, _ step: Int) -> Bool {
    !(tensor.group == "odd" && (step == 3 || step == 4)) && !(tensor.name == "t4" && step == 6)
  }

  /// The average after each of seven steps, by hand, over the reference engine.
  private static func byHand(
    _ layout: ParameterLayout, decay: Float, accumulating: Bool
  ) throws -> (average: [Float], digest: Digest, skipped: Int) {
    let optimizer = try Optimizer(AdamW(), layout: layout, on: .reference)
    optimizer.clipping = .globalNorm(10)
    var x = PinnedSteps(count: layout.count).parameters
    var average = [Float](repeating: 0, count: layout.count)
    for tensor in layout.tensors { average.replaceSubrange(tensor.range, with: x[tensor.range]) }
    for step in 1...7 {
      try prepare(optimizer, step)
      let skipped = try optimizer.skippedStepCount
      var g = gradients(layout.count, step)
      if accumulating { g = zip(gradients(layout.count, step + 10), g).map { $0 + $1 } }
      try optimizer.step(&x, gradients: g)
      if try optimizer.skippedStepCount > skipped { continue }
      for tensor in layout.tensors where moves(tensor, step) {
        for i in tensor.range {
          average[i] = average[i] + Float(1 - Double(decay)) * (x[i] - average[i])
        }
      }
    }
    return try (average, Digest(x), optimizer.skippedStepCount)
  }

  @Test("every engine moves it as by hand, to the bit", arguments: [false, true])
  func agreement(accumulating: Bool) throws {
    for layout in [
      try ParameterLayout.evenAndOdd(), try ParameterLayout.evenAndOdd(alignment: 512),
    ] {
      let expected = try Self.byHand(layout, decay: 0.75, accumulating: accumulating)
      #expect(expected.skipped == (accumulating ? 5 : 2))
      for choice in try TestEngines.cut() + [.reference] {
        let optimizer = try Optimizer(AdamW(), layout: layout, on: choice)
        optimizer.clipping = .globalNorm(10)
        optimizer.averaging = ParameterAverage(decay: 0.75)
        var x = PinnedSteps(count: layout.count).parameters
        for step in 1...7 {
          try Self.prepare(optimizer, step)
          if accumulating { try optimizer.accumulate(Self.gradients(layout.count, step + 10)) }
          try optimizer.step(&x, gradients: Self.gradients(layout.count, step))
        }
        #expect(try optimizer.average() == expected.average, "\(choice)")
        #expect(Digest(x) == expected.digest, "\(choice)")
        #expect(
          try optimizer.average(of: "t3") == Array(expected.average[layout.tensors[3].range]))
      }
    }
  }

  @Test("a run that moves to another engine takes its average along")
  func moves() throws {
    let layout = try ParameterLayout(count: 257)
    let choices = try TestEngines.choices()
    let stays = try Optimizer(Adam(), layout: layout, on: .cpu)
    stays.averaging = ParameterAverage(decay: 0.5)
    var moves = try Optimizer(Adam(), layout: layout, on: .reference)
    moves.averaging = stays.averaging
    var (a, b) = ([Float](repeating: 1, count: 257), [Float](repeating: 1, count: 257))
    for step in 1...6 {
      let g = PinnedSteps(count: 257).gradients(step)
      try stays.step(&a, gradients: g)
      try moves.step(&b, gradients: g)
      #expect(try moves.states().keys.sorted() == ["average", "m", "v"])
      let next = try Optimizer(Adam(), layout: layout, on: choices[step % choices.count])
      next.averaging = stays.averaging
      try next.restore(states: moves.states(), stepCount: moves.stepCount)
      #expect(try next.average() == moves.average())
      moves = next
    }
    #expect(try a == b && moves.average() == stays.average() && a != stays.average())
  }

  @Test("it begins with the parameters before its first step, and anew after it was given up")
  func begins() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 2), on: choice)
      var x: [Float] = [4, 8]
      try optimizer.step(&x, gradients: [0, 0])
      #expect(
        message { _ = try optimizer.average() }
          == "no average is kept; set averaging before a step")
      optimizer.averaging = ParameterAverage(decay: 0.5)
      #expect(message { _ = try optimizer.average() }.contains("begins with the first step"))
      #expect(try optimizer.states() == [:])
      optimizer.skipsNonFinite = true
      try optimizer.step(&x, gradients: [.nan, 0])
      #expect(try optimizer.average() == [4, 8])
      try optimizer.step(&x, gradients: [2, 4])
      #expect(try optimizer.average() == [3, 6] && x == [2, 4])
      optimizer.averaging?.decay = 0
      try optimizer.step(&x, gradients: [1, 1])
      #expect(try optimizer.average() == x)
      try optimizer.setState("average", of: "parameters", to: [7, 7])
      #expect(try optimizer.average(of: "parameters") == [7, 7])
      try optimizer.reset()
      #expect(message { _ = try optimizer.average() }.contains("begins with the first step"))
      optimizer.averaging = ParameterAverage(decay: 0.5)
      try optimizer.step(&x, gradients: [-1, -1])
      #expect(try optimizer.average() == [1.5, 3.5] && x == [2, 4])
      optimizer.averaging = nil
      optimizer.averaging = ParameterAverage(decay: 0.5)
      try optimizer.step(&x, gradients: [2, 2])
      #expect(try optimizer.average() == [1, 3])
    }
  }

  @Test("what cannot be is refused before anything is touched")
  func errors() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 1), on: choice)
      var x: [Float] = [1]
      for decay in [-0.1, 1, .nan] {
        optimizer.averaging = ParameterAverage(decay: decay)
        #expect(
          message { try optimizer.step(&x, gradients: [1]) }
            == "averaging: decay is \(decay); allowed is a number of at least 0 and below 1 that a Float can hold"
        )
      }
      #expect(try x == [1] && optimizer.stepCount == 0)
      optimizer.averaging = nil
      #expect(
        message { try optimizer.restore(states: ["average": [1]], stepCount: 1) }
          == "there is no state of sgd \"average\"; there is none")
      optimizer.averaging = ParameterAverage()
      #expect(
        message { try optimizer.restore(states: ["average": [1, 2]], stepCount: 1) }
          == "average: 2 given, 1 expected")
      try optimizer.restore(states: [:], stepCount: 3)
      try optimizer.step(&x, gradients: [0])
      #expect(try optimizer.average() == [1] && optimizer.stepCount == 4)
    }
  }

  #if OpenCL
  @Test("on a device under a queue kept deep", .needsDevice)
  func deep() throws {
    let layout = try ParameterLayout.evenAndOdd()
    for queue in try TestDevices.queues.get() {
      for looks in [false, true] {
        let (reference, optimizer) = (
          try Optimizer(Adam(), layout: layout, on: .reference),
          try Optimizer(Adam(), layout: layout, on: .openCL(queue))
        )
        var expected = [Float](repeating: 1, count: layout.count)
        let x = try Buffer(queue.context, copying: expected)
        for both in [reference, optimizer] {
          both.averaging = ParameterAverage(decay: 0.9)
          both.skipsNonFinite = looks
        }
        let values = (1...3).map { Self.gradients(layout.count, looks ? $0 : 3 * $0) }
        let gradients = try values.map { try Buffer(queue.context, copying: $0) }
        for step in 0..<12 {
          try reference.step(&expected, gradients: values[step % 3])
          try optimizer.enqueueStep(x, gradients: gradients[step % 3])
        }
        #expect(try Digest(x.read(on: queue)) == Digest(expected))
        #expect(try Digest(optimizer.average()) == Digest(reference.average()))
        #expect(try optimizer.skippedStepCount == (looks ? 4 : 0))
      }
    }
  }
  #endif

  @Test("a frozen group's average stays, and is set to its limit where that is wanted")
  func frozen() throws {
    for choice in try TestEngines.choices() {
      var layout = ParameterLayout()
      for name in ["a", "b"] { try layout.append(name, shape: [2], group: name) }
      let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout, on: choice)
      optimizer.averaging = ParameterAverage(decay: 0.5)
      var x: [Float] = [1, 2, 3, 4]
      try optimizer.step(&x, gradients: [1, 1, 1, 1])
      #expect(try optimizer.average() == [0.5, 1.5, 2.5, 3.5])
      try optimizer.setGroup("a", to: ParameterGroup(isFrozen: true))
      for _ in 1...2 { try optimizer.step(&x, gradients: [1, 1, 1, 1]) }
      #expect(x == [0, 1, 0, 1], "\(optimizer.engineName)")
      #expect(try optimizer.average() == [0.5, 1.5, 0.875, 1.875])
      // What other libraries' averages of a tensor that no longer changes come to.
      try optimizer.setState("average", of: "a", to: Array(x[0..<2]))
      try optimizer.step(&x, gradients: [1, 1, 1, 1])
      #expect(try optimizer.average() == [0, 1, -0.0625, 0.9375])
    }
  }
}
