import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// Steps whose learning rate an optimizer takes from a schedule, against rates set by hand.
@Suite struct ScheduledStepTests {
  static let schedule: Schedule = .warmUp(5, from: 1e-3)
    .then(.cosine(from: 0.1, to: 1e-3, steps: 12))

  private static func layout() throws -> ParameterLayout {
    var layout = ParameterLayout()
    try layout.append("a", shape: [700])
    try layout.append("b", shape: [33], group: "slow")
    try layout.append("c", shape: [300])
    try layout.setGroup("slow", to: ParameterGroup(learningRateFactor: 0.3, weightDecay: 0.2))
    return layout
  }

  static let rules: [any UpdateRule] = [
    SGD(weightDecay: 0.1, decoupled: true), Nesterov(), AdamW(weightDecay: 0.1), AdaDelta(),
  ]

  /// Every third with one that is not finite.
  private static func gradients(_ count: Int, _ step: Int) -> [Float] {
    var result = PinnedSteps(count: count).gradients(step)
    if step % 3 == 2 { result[(step * 7919) % count] = step % 2 == 0 ? .infinity : .nan }
    return result
  }

  @Test("a schedule is rates set by hand, skipped steps or not", arguments: [false, true])
  func byHand(skips: Bool) throws {
    let layout = try Self.layout()
    for rule in Self.rules {
      func run(
        _ choice: EngineChoice, _ setRate: (Optimizer) throws -> Void
      ) throws -> (Digest, Int, Double) {
        let optimizer = try Optimizer(rule, layout: layout, on: choice)
        optimizer.skipsNonFinite = skips
        var x = PinnedSteps(count: layout.count).parameters
        for step in 1...20 {
          try setRate(optimizer)
          try optimizer.step(&x, gradients: Self.gradients(layout.count, step))
        }
        return try (Digest(of: optimizer, x), optimizer.stepCount, optimizer.learningRate)
      }
      let expected = try run(.reference) {
        try $0.setLearningRate(Self.schedule.learningRate(after: $0.stepCount))
      }
      #expect(expected.1 == (skips ? 13 : 20))
      for choice in try TestEngines.cut() + [.reference] {
        let found = try run(choice) { if try $0.stepCount == 0 { $0.schedule = Self.schedule } }
        #expect(found.0 == expected.0 && found.1 == expected.1, "\(rule), \(choice)")
        #expect(found.2 == Self.schedule.learningRate(after: found.1))
      }
    }
  }

  @Test("a group that thaws goes on where the optimizer stands")
  func frozen() throws {
    let layout = try Self.layout()
    for choice in try TestEngines.cut() + [.reference] {
      let optimizer = try Optimizer(SGD(), layout: layout, on: choice)
      optimizer.schedule = .linear(from: 1, to: 0, steps: 4)
      try optimizer.setGroup("slow", to: ParameterGroup(isFrozen: true))
      var x = [Float](repeating: 0, count: layout.count)
      let g = [Float](repeating: 1, count: layout.count)
      try optimizer.step(&x, gradients: g)
      try optimizer.step(&x, gradients: g)
      try optimizer.setGroup("slow", to: ParameterGroup(learningRateFactor: 2))
      try optimizer.step(&x, gradients: g)
      #expect(x[0] == -2.25 && x[700] == -1, "\(optimizer.engineName)")
    }
  }

  @Test("the rate that comes can be asked for; setting it takes the schedule away")
  func learningRate() throws {
    let optimizer = try Optimizer(SGD(learningRate: 8), layout: ParameterLayout(count: 1))
    var x: [Float] = [0]
    optimizer.schedule = .multiStep(1, factor: 0.5, at: [1, 2])
    #expect(try optimizer.learningRate == 1)
    try optimizer.step(&x, gradients: [1])
    #expect(try optimizer.learningRate == 0.5)
    // The schedule goes before another rule's rate.
    optimizer.rule = SGD(learningRate: 16)
    try optimizer.step(&x, gradients: [1])
    #expect(try optimizer.learningRate == 0.25 && x == [-1.5])
    try optimizer.restore(states: [:], stepCount: 1)
    #expect(try optimizer.learningRate == 0.5)
    try optimizer.setLearningRate(4 * optimizer.learningRate)
    #expect(try optimizer.schedule == nil && optimizer.learningRate == 2)
    try optimizer.step(&x, gradients: [1])
    #expect(x == [-3.5])
    optimizer.schedule = .constant(1)
    optimizer.schedule = nil
    #expect(try optimizer.learningRate == 2)
  }

  @Test("a schedule that cannot be, or gives no rate, is refused before anything is touched")
  func errors() throws {
    let layout = try Self.layout()
    for choice in try TestEngines.cut() + [.reference] {
      let optimizer = try Optimizer(Adam(), layout: layout, on: choice)
      var x = [Float](repeating: 1, count: layout.count)
      let g = x
      optimizer.schedule = .constant(1).then(.constant(2))
      #expect(
        message { try optimizer.step(&x, gradients: g) }.contains("follows one that never ends"))
      optimizer.schedule = .linear(from: -1, to: 1, steps: 3)
      #expect(message { try optimizer.step(&x, gradients: g) }.contains("from is -1.0"))
      #expect(try x == g && optimizer.stepCount == 0)
      optimizer.schedule = .custom { $0 == 1 ? .nan : 0.1 }
      try optimizer.step(&x, gradients: g)
      let after = (x, try optimizer.states())
      #expect(
        message { try optimizer.step(&x, gradients: g) }
          == "schedule: the learning rate after 1 steps, with a group's factor, is nan; "
          + "allowed is a number of at least 0 that a Float can hold")
      #expect(try x == after.0 && optimizer.states() == after.1 && optimizer.stepCount == 1)
      // Within a Float, but not with its group's factor.
      try optimizer.setGroup("slow", to: ParameterGroup(learningRateFactor: 1e10))
      optimizer.schedule = .constant(1e30)
      #expect(message { try optimizer.step(&x, gradients: g) }.contains("is 1e+40"))
      try optimizer.setGroup("slow", to: ParameterGroup())
      optimizer.schedule = .constant(0.1)
      try optimizer.step(&x, gradients: g)
      #expect(try optimizer.stepCount == 2)
    }
  }

  #if OpenCL
  @Test("random skips under a queue kept deep have the rates of one step at a time", .needsDevice)
  func deep() throws {
    let layout = try Self.layout()
    for queue in try TestDevices.queues.get() {
      let byHand = try Optimizer(AdamW(weightDecay: 0.1), layout: layout, on: .reference)
      let optimizer = try Optimizer(AdamW(weightDecay: 0.1), layout: layout, on: .openCL(queue))
      byHand.skipsNonFinite = true
      optimizer.skipsNonFinite = true
      let schedule: Schedule = .warmUp(20).then(.cosine(from: 0.1, steps: 60))
      optimizer.schedule = schedule
      var expected = [Float](repeating: 1, count: layout.count)
      let x = try Buffer(queue.context, copying: expected)
      let gradients = try (0..<5).map {
        try Buffer(queue.context, copying: Self.gradients(layout.count, $0 + 1))
      }
      var events: [Event] = []
      for step in 0..<100 {
        let which = (step * 7 + step / 3) % 5
        try byHand.setLearningRate(schedule.learningRate(after: byHand.stepCount))
        try byHand.step(&expected, gradients: Self.gradients(layout.count, which + 1))
        events.append(try optimizer.enqueueStep(x, gradients: gradients[which]))
        if step >= 20 { try events[step - 20].wait() }
      }
      #expect(try x.read(on: queue) == expected)
      #expect(try byHand.skippedStepCount > 20 && optimizer.stepCount == byHand.stepCount)
      #expect(try optimizer.states() == byHand.states())
    }
  }

  @Test("a rate that is never reached refuses nothing", .needsDevice)
  func neverReached() throws {
    for queue in try TestDevices.queues.get() {
      let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 2), on: .openCL(queue))
      optimizer.skipsNonFinite = true
      optimizer.schedule = .custom { $0 == 0 ? 1 : .nan }
      let x = try Buffer(queue.context, copying: [Float(1), 2])
      let bad = try Buffer(queue.context, copying: [Float(1), .nan])
      let good = try Buffer(queue.context, copying: [Float(1), 1])
      for _ in 0..<3 { try optimizer.enqueueStep(x, gradients: bad) }
      try optimizer.enqueueStep(x, gradients: good)
      #expect(message { try optimizer.enqueueStep(x, gradients: good) }.contains("after 1 steps"))
      #expect(try x.read(on: queue) == [0, 1])
      #expect(try optimizer.stepCount == 1 && optimizer.skippedStepCount == 3)
    }
  }
  #endif
}
