import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// What a rule may declare in addition to its formula, by rules that only tests have.
@Suite struct RuleSeamTests {
  @Test("bytes of a step follow from its operands")
  func bytes() {
    #expect(SGD().bytesPerElement == 12)
    #expect(Adam().bytesPerElement == 28)
    let all = RulePrograms.Program(Adam()).operands(
      ofPass: 0, Beside(zeroes: true, accumulates: true, averages: true))
    #expect(all.reduce(0) { $0 + $1.bytesPerElement } == 44)
  }

  /// x ← x − ηₖ g with ηₖ = η · 0.5ᵏ for the kth applied step, and no other.
  struct Halving: UpdateRule {
    static let name = "halving"
    var learningRate = 1.0
    var weightDecay = 0.0
    var appliedDecay: WeightDecay { .none }
    var maximize: Bool { false }
    static let hyperparameters: [Hyperparameter<Self>] = [
      .number("learningRate", \.learningRate, .atLeastZero)
    ]
    static let variants: [RuleVariant] = []
    var kernel: String { "sgd" }
    var states: [StateSpec] { [] }
    var history: [HistoryValue] { [HistoryValue("product", startingAt: 1), HistoryValue("sum")] }
    func scalars(at step: Int) -> SGD.Scalars<Float> {
      SGD(learningRate: learningRate).scalars(at: step)
    }
    func scalars(at step: Int, history: inout [Double]) -> SGD.Scalars<Float> {
      history[0] *= 0.5
      history[1] += learningRate
      return SGD(learningRate: learningRate * history[0]).scalars(at: step)
    }
    func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
      var history = elements.history
      _ = scalars(at: step, history: &history)
      let rate = T(learningRate * history[0])
      elements.update { _, g, _ in rate * g }
    }
  }

  static func engines() throws -> [EngineChoice] { try TestEngines.cut() + [.reference] }

  @Test("a history follows the steps that were applied, however many are in flight")
  func history() throws {
    for engine in try Self.engines() {
      var layout = ParameterLayout()
      try layout.append("a", shape: [3], group: "a")
      try layout.append("b", shape: [2], group: "b")
      let optimizer = try Optimizer(
        SGD(learningRate: 0), layout: layout, rules: ["b": Halving()], on: engine)
      optimizer.skipsNonFinite = true
      var x: [Float] = [0, 0, 0, 0, 0]
      let skipped = [2, 3, 6]
      var expected: Float = 0
      var applied = 0
      for step in 1...9 {
        var g = [Float](repeating: 1, count: 5)
        if skipped.contains(step) {
          g[0] = .nan
        } else {
          applied += 1
          expected -= 1 / Float(1 << applied)
        }
        try optimizer.step(&x, gradients: g)
        if step == 4 {
          // A frozen group takes no step, and its history stays.
          try optimizer.setGroup("b", to: ParameterGroup(isFrozen: true))
          try optimizer.step(&x, gradients: [1, 1, 1, 1, 1])
          try optimizer.setGroup("b", to: ParameterGroup())
        }
      }
      #expect(x == [0, 0, 0, expected, expected], "\(optimizer.engineName)")
      let status = try optimizer.status
      #expect(status.histories == ["b": ["product": 0.015625, "sum": 6]])
      // It goes on where it stopped, and not with another's numbers.
      let twin = try Optimizer(
        SGD(learningRate: 0), layout: layout, rules: ["b": Halving()], on: engine)
      try twin.load(optimizer.state)
      var y = x
      try optimizer.step(&x, gradients: [1, 1, 1, 1, 1])
      try twin.step(&y, gradients: [1, 1, 1, 1, 1])
      #expect(x == y && x[4] == expected - 1 / 128)
      var wrong = try optimizer.state
      wrong.status.histories["b"]?["product"] = nil
      #expect(throws: DescentError.self) { try twin.load(wrong) }
      wrong.status.histories["b"] = ["product": .nan, "sum": 6]
      #expect(throws: DescentError.self) { try twin.load(wrong) }
      // The states alone do not determine a history.
      let counts = ["a": 8, "b": 7]
      #expect(throws: DescentError.self) {
        try twin.restore(states: [:], stepCount: 8, groupStepCounts: counts)
      }
      #expect(throws: DescentError.self) {
        try twin.restore(
          states: [:], stepCount: 8, groupStepCounts: counts,
          histories: ["a": ["product": 1]])
      }
      try twin.restore(
        states: [:], stepCount: 8, groupStepCounts: counts,
        histories: ["b": ["product": 0.25, "sum": 2]])
      y = [0, 0, 0, 0, 0]
      try twin.step(&y, gradients: [1, 1, 1, 1, 1])
      #expect(y[4] == -0.125)
      var states: [[Float]] = []
      #expect(throws: DescentError.self) {
        try Halving().update(&y, gradients: x, states: &states, step: 1)
      }
      try twin.reset()
      y = [0, 0, 0, 0, 0]
      try twin.step(&y, gradients: [1, 1, 1, 1, 1])
      #expect(y[4] == -0.5)
    }
  }

  #if OpenCL
  @Test(
    "with steps in flight a history has the rates that each step was enqueued with", .needsDevice)
  func historyInFlight() throws {
    for queue in try TestDevices.queues.get() {
      let layout = try ParameterLayout(count: 1)
      let optimizer = try Optimizer(Halving(), layout: layout, on: .openCL(queue))
      optimizer.skipsNonFinite = true
      optimizer.schedule = .linear(from: 1, to: 9, steps: 8)
      let x = try Buffer<Float>(queue.context, copying: [0])
      let gradients = try [1, Float.nan].map { try Buffer<Float>(queue.context, copying: [$0]) }
      for step in 0..<6 {
        if step == 4 { optimizer.schedule = .constant(2) }
        _ = try optimizer.enqueueStep(x.whole, gradients: gradients[step % 3 == 1 ? 1 : 0].whole)
      }
      // Steps 0, 2, 3 at the rates 1, 2, 3; step 5 at 2; steps 1 and 4 are skipped.
      #expect(try optimizer.status.histories["default"] == ["product": 0.0625, "sum": 8])
      #expect(try x.read(on: queue) == [-(0.5 + 0.5 + 0.375 + 0.125)])
    }
  }
  #endif

  /// Momentum whose buffer begins as a copy of the parameters.
  struct Copying: UpdateRule {
    static let name = "copying"
    var learningRate = 0.5
    var weightDecay = 0.0
    var appliedDecay: WeightDecay { .none }
    var maximize: Bool { false }
    static let hyperparameters: [Hyperparameter<Self>] = []
    static let variants: [RuleVariant] = []
    var momentum: Momentum { Momentum(learningRate: learningRate, momentum: 0.5) }
    var kernel: String { "momentum" }
    var states: [StateSpec] { [StateSpec("z", start: .parameters)] }
    func scalars(at step: Int) -> Momentum.Scalars<Float> { momentum.scalars(at: step) }
    func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
      momentum.reference(elements, at: step)
    }
  }

  @Test(
    "a state that begins as a copy of the parameters does so at the first step, on every engine")
  func copies() throws {
    for engine in try Self.engines() {
      var layout = try ParameterLayout(alignment: 32)
      for (name, count) in [("a", 5), ("b", 40_000), ("c", 3), ("d", 20_001)] {
        try layout.append(name, shape: [count], group: name == "a" || name == "d" ? "own" : "rest")
      }
      let optimizer = try Optimizer(
        AdaGrad(), layout: layout, rules: ["own": Copying()], on: engine)
      let pinned = PinnedSteps(count: layout.count)
      var x = pinned.parameters.map { min(max($0, -8), 8) }
      let start = x
      var g = [Float](repeating: 0.25, count: layout.count)
      g[0] = .nan
      optimizer.skipsNonFinite = true
      // A skipped step copies as well.
      try optimizer.step(&x, gradients: g)
      for name in ["a", "d"] {
        let range = try #require(layout[name]).range
        #expect(try optimizer.state("z", of: name) == Array(start[range]))
      }
      g[0] = 0.25
      try optimizer.step(&x, gradients: g)
      for name in ["a", "d"] {
        let states = zip(try #require(layout[name]).range, try optimizer.state("z", of: name))
        let agree = states.allSatisfy { i, z in
          z == 0.5 * start[i] + 0.25 && x[i] == start[i] - 0.5 * z
        }
        #expect(agree, "\(optimizer.engineName)")
      }
      // A state that is taken up is not replaced by a copy, nor one that has not begun by zeros.
      let twin = try Optimizer(AdaGrad(), layout: layout, rules: ["own": Copying()], on: engine)
      try twin.load(optimizer.state)
      #expect(try twin.states() == optimizer.states())
      var (y, z) = (x, x)
      try optimizer.step(&y, gradients: g)
      try twin.step(&z, gradients: g)
      #expect(y == z)
      try twin.reset()
      #expect(try !twin.status.statesHaveBegun)
      let third = try Optimizer(AdaGrad(), layout: layout, rules: ["own": Copying()], on: engine)
      try third.load(twin.state)
      z = start
      try third.step(&z, gradients: g)
      #expect(z[0] == start[0] - 0.5 * (0.5 * start[0] + 0.25))
    }
  }

  @Test("decay inside the rule or none is nothing outside it; proximal decay divides by 1 + ηλ")
  func decay() {
    #expect(WeightDecay.coupled(2).ofGradient == 2 && WeightDecay.coupled(2).strength == 2)
    #expect(WeightDecay.coupled(2).ofStep(learningRate: 0.5) == 0)
    #expect(WeightDecay.decoupled(2).ofStep(learningRate: 0.5) == 1)
    #expect(WeightDecay.decoupled(2).ofGradient == 0)
    #expect(WeightDecay.proximal(2).ofStep(learningRate: 0.5) == 0.5)
    #expect(WeightDecay.proximal(2).ofGradient == 0)
    for decay in [WeightDecay.none, .insideRule(2)] {
      #expect(decay.ofGradient == 0 && decay.ofStep(learningRate: 0.5) == 0)
    }
    #expect(WeightDecay.none.strength == 0 && WeightDecay.insideRule(2).strength == 2)
  }
}
