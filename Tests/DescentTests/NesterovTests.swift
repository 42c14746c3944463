import DescentTestSupport
import Testing
import Verification

@testable import Descent

/// The one-pass look-ahead method is the two-point method of the literature.
@Suite struct NesterovTests {
  /// A ravine, so that momentum has something to do: ½ Σ k p².
  static let curvature: [Double] = [1, 40, 3]

  private func gradient<T: BinaryFloatingPoint>(_ p: [T]) -> [T] {
    zip(Self.curvature, p).map { T($0) * $1 }
  }

  struct Setting: CustomTestStringConvertible {
    let testDescription: String
    let rate: @Sendable (Int) -> Double
    let momentum: @Sendable (Int) -> Double
  }

  static let settings = [
    Setting(testDescription: "constant", rate: { _ in 0.01 }, momentum: { _ in 0.9 }),
    Setting(testDescription: "η varies", rate: { 0.02 / Double($0) }, momentum: { _ in 0.9 }),
    Setting(
      testDescription: "γ varies", rate: { _ in 0.01 }, momentum: { 1 - 1 / Double($0 + 2) }),
    Setting(
      testDescription: "both vary", rate: { 0.02 / Double($0) },
      momentum: { 1 - 1 / Double($0 + 2) }),
  ]

  private func rule(_ setting: Setting, _ step: Int) -> Nesterov {
    Nesterov(
      learningRate: setting.rate(step), momentum: setting.momentum(step),
      nextMomentum: setting.momentum(step + 1))
  }

  @Test("in Double it is the literal method", arguments: settings)
  func literal(_ setting: Setting) throws {
    let start: [Double] = [1, 1, -2]
    var (literal, phi, states) = (LiteralNesterov(start), start, [[0.0, 0, 0]])
    for step in 1...200 {
      literal.step(
        learningRate: setting.rate(step), momentum: setting.momentum(step), gradient: gradient)
      try rule(setting, step).referenceUpdate(
        &phi, gradients: gradient(phi), states: &states, step: step)
      for i in start.indices {
        let iterate = phi[i] + setting.momentum(step + 1) * states[0][i]
        #expect(abs(iterate - literal.iterate[i]) < 1e-14, "step \(step)")
      }
    }
  }

  @Test("with a single γ it is not, where γ varies")
  func singleMomentum() throws {
    let setting = Self.settings[2]
    let start: [Double] = [1, 1, -2]
    var (literal, phi, states, worst) = (LiteralNesterov(start), start, [[0.0, 0, 0]], 0.0)
    for step in 1...200 {
      literal.step(
        learningRate: setting.rate(step), momentum: setting.momentum(step), gradient: gradient)
      try Nesterov(learningRate: setting.rate(step), momentum: setting.momentum(step))
        .referenceUpdate(&phi, gradients: gradient(phi), states: &states, step: step)
      let iterate = phi[0] + setting.momentum(step) * states[0][0]
      worst = max(worst, abs(iterate - literal.iterate[0]))
    }
    #expect(worst > 1e-6)
  }

  @Test("an optimizer's iterate is the literal method's, to Float's rounding", arguments: settings)
  func optimizer(_ setting: Setting) throws {
    let start: [Float] = [1, 1, -2]
    var (literal, phi) = (LiteralNesterov(start.map { Double($0) }), start)
    let optimizer = try Optimizer(rule(setting, 1), layout: ParameterLayout(count: 3), on: .cpu)
    var iterate: [Float] = [0, 0, 0]
    for step in 1...100 {
      optimizer.rule = rule(setting, step)
      literal.step(
        learningRate: setting.rate(step), momentum: setting.momentum(step), gradient: gradient)
      try optimizer.step(&phi, gradients: gradient(phi))
      try optimizer.writeIterate(from: phi, into: &iterate)
      for i in start.indices {
        #expect(abs(Double(iterate[i]) - literal.iterate[i]) < 2e-5, "step \(step)")
      }
    }
    try optimizer.settle(&phi)
    #expect(phi == iterate)
    #expect(throws: DescentError.settled) { try optimizer.step(&phi, gradients: [0, 0, 0]) }
    #expect(throws: DescentError.settled) { _ = try optimizer.states() }
    try optimizer.settle(&phi)
    #expect(phi == iterate, "settling twice is settling once")
  }

  @Test("at a constant rate it is the one-gradient form, bit for bit with the rate in the buffer")
  func oneGradient() throws {
    let vectors = Agreement.Vectors(count: 100, special: false)
    let layout = try ParameterLayout(count: 100)
    let inside = try Optimizer(
      Momentum(learningRate: 0.01, nesterov: true, learningRateInBuffer: true), layout: layout,
      on: .cpu)
    let ahead = try Optimizer(Nesterov(learningRate: 0.01), layout: layout, on: .cpu)
    var (a, b) = (vectors.parameters, vectors.parameters)
    for gradients in vectors.gradients {
      try inside.step(&a, gradients: gradients)
      try ahead.step(&b, gradients: gradients)
    }
    #expect(Difference(a, b) == Difference())
  }

  @Test(
    "it follows PyTorch's closed loops: W = φ + γ V",
    arguments: Trajectories.finite.filter { $0.contains("loop-nesterov") })
  func closedLoops(_ id: String) throws {
    let goldens = try Trajectories.goldens.get()
    let item = try #require(goldens.cases.first { $0.id == id })
    let rate = item.learningRate(1)
    let momentum = try #require(item.hyper["momentum"])
    let (start, gradient) = try goldens.problem(of: item)
    let rule = Nesterov(learningRate: rate, momentum: momentum)
    var (literal, phi, states) = (LiteralNesterov(start), start, [start.map { _ in 0.0 }])
    let peaks = try numbers(item.peakMagnitudes)
    var checkpoint = 0
    for step in 1...item.steps {
      literal.step(learningRate: rate, momentum: momentum) { gradient(step, $0) }
      try rule.referenceUpdate(&phi, gradients: gradient(step, phi), states: &states, step: step)
      guard item.checkpoints.contains(step) else { continue }
      let theirs = try numbers(item.float64Parameters[checkpoint])
      let b = try numbers(try #require(item.float64States["b"])[checkpoint])
      for i in theirs.indices {
        let tolerance = 1e-11 * max(peaks[i], 1e-3)
        #expect(abs(phi[i] - theirs[i]) <= tolerance, "step \(step)")
        #expect(abs(states[0][i] - rate * b[i]) <= tolerance, "step \(step)")
        #expect(abs(theirs[i] + momentum * rate * b[i] - literal.iterate[i]) <= tolerance)
      }
      checkpoint += 1
    }
    #expect(checkpoint == item.checkpoints.count)
  }

  @Test("an announced γ must come, also where the rule was not touched")
  func announcedButForgotten() throws {
    let optimizer = try Optimizer(
      Nesterov(learningRate: 0.1, momentum: 0.5, nextMomentum: 0.9),
      layout: ParameterLayout(count: 1), on: .cpu)
    var x: [Float] = [1]
    try optimizer.step(&x, gradients: [1])
    #expect(throws: DescentError.momentumNotAnnounced(announced: 0.9, given: 0.5)) {
      try optimizer.step(&x, gradients: [1])
    }
    #expect(try optimizer.stepCount == 1)
  }

  @Test("a restored run has the iterate of the one it came from")
  func restored() throws {
    let layout = try ParameterLayout(count: 2)
    let first = try Optimizer(Nesterov(learningRate: 0.1), layout: layout, on: .cpu)
    var x: [Float] = [1, 2]
    try first.step(&x, gradients: [1, -1])
    let second = try Optimizer(Nesterov(learningRate: 0.1), layout: layout, on: .reference)
    try second.restore(states: first.states(), stepCount: 1)
    var (a, b) = (x, x)
    try first.writeIterate(from: x, into: &a)
    try second.writeIterate(from: x, into: &b)
    #expect(a == b && a != x)
  }

  @Test("a γ that was not announced is refused, and nothing changes")
  func notAnnounced() throws {
    let optimizer = try Optimizer(
      Nesterov(learningRate: 0.1, momentum: 0.5), layout: ParameterLayout(count: 1), on: .cpu)
    var x: [Float] = [1]
    try optimizer.step(&x, gradients: [1])
    let before = (x, try optimizer.states(), try optimizer.stepCount)
    optimizer.rule = Nesterov(learningRate: 0.1, momentum: 0.9)
    #expect(throws: DescentError.momentumNotAnnounced(announced: 0.5, given: 0.9)) {
      try optimizer.step(&x, gradients: [1])
    }
    #expect(try (x, optimizer.stepCount) == (before.0, before.2))
    #expect(try optimizer.states() == before.1)
    optimizer.rule = Nesterov(learningRate: 0.1, momentum: 0.5, nextMomentum: 0.9)
    try optimizer.step(&x, gradients: [1])
    optimizer.rule = Nesterov(learningRate: 0.1, momentum: 0.9)
    try optimizer.step(&x, gradients: [1])
  }

  @Test("after a reset or a restore, a settled run goes on and any γ may come first")
  func beginAgain() throws {
    let optimizer = try Optimizer(
      Nesterov(learningRate: 0.1, momentum: 0.5), layout: ParameterLayout(count: 1), on: .cpu)
    var x: [Float] = [1]
    for again in [
      { try optimizer.reset() }, { try optimizer.restore(states: ["b": [0]], stepCount: 7) },
    ] {
      try optimizer.step(&x, gradients: [1])
      try optimizer.settle(&x)
      try again()
      optimizer.rule = Nesterov(learningRate: 0.1, momentum: 0.9)
      try optimizer.step(&x, gradients: [1])
      try optimizer.reset()
      optimizer.rule = Nesterov(learningRate: 0.1, momentum: 0.5)
    }
  }

  @Test("the iterate is ahead by the γ that the last step prepared for, whatever the rule says now")
  func iterate() throws {
    let optimizer = try Optimizer(
      Nesterov(learningRate: 1, momentum: 0.5, nextMomentum: 0.75),
      layout: ParameterLayout(count: 1), on: .cpu)
    var (x, iterate): ([Float], [Float]) = ([0], [0])
    try optimizer.step(&x, gradients: [1])
    optimizer.rule = Nesterov(learningRate: 1, momentum: 0.75, nextMomentum: 0.25)
    try optimizer.writeIterate(from: x, into: &iterate)
    #expect(iterate == [-1])
    var short: [Float] = []
    #expect(
      message { try optimizer.writeIterate(from: x, into: &short) }
        == "iterate: 0 given, 1 expected")
    var long: [Float] = [1, 2]
    #expect(
      message { try optimizer.writeIterate(from: x, into: &long) }
        == "iterate: 2 given, 1 expected")
  }

  @Test("other rules' parameters are the point to evaluate, and settling leaves them")
  func otherRules() throws {
    for choice in try TestEngines.each() {
      let optimizer = try Optimizer(Adam(), layout: ParameterLayout(count: 2), on: choice)
      var (x, iterate): ([Float], [Float]) = ([1, 2], [0, 0])
      #expect(!optimizer.hasEvaluationPoint)
      try optimizer.step(&x, gradients: [1, 1])
      try optimizer.writeIterate(from: x, into: &iterate)
      #expect(iterate == x)
      try optimizer.settle(&x)
      #expect(iterate == x)
      try optimizer.step(&x, gradients: [1, 1])
    }
  }
}

/// The two forms of momentum are one method under the conversion of their rates.
@Suite struct MomentumFormTests {
  @Test("accumulated and averaged take the same path", arguments: [0.0, 0.5, 0.9, 0.99])
  func conversion(_ momentum: Double) throws {
    let rate = 0.01
    let accumulated = Momentum.accumulated(learningRate: rate, momentum: momentum)
    let averaged = Momentum.averaged(
      learningRate: Momentum.averagedLearningRate(accumulated: rate, momentum: momentum),
      momentum: momentum)
    let back = Momentum.accumulatedLearningRate(
      averaged: averaged.learningRate, momentum: momentum)
    #expect(abs(back - rate) <= 1e-17)

    var (a, b) = ([1.0, -2, 3], [1.0, -2, 3])
    var (va, vb) = ([[0.0, 0, 0]], [[0.0, 0, 0]])
    for step in 1...300 {
      try accumulated.referenceUpdate(
        &a, gradients: a.map { $0 * 10 }, states: &va, step: step)
      try averaged.referenceUpdate(&b, gradients: b.map { $0 * 10 }, states: &vb, step: step)
      for i in a.indices { #expect(abs(a[i] - b[i]) < 1e-12) }
    }
  }

  @Test("under the same numbers they do not")
  func different() throws {
    var (a, b) = ([1.0], [1.0])
    var (va, vb) = ([[0.0]], [[0.0]])
    try Momentum.accumulated(learningRate: 0.1).referenceUpdate(
      &a, gradients: a, states: &va, step: 1)
    try Momentum.averaged(learningRate: 0.1).referenceUpdate(
      &b, gradients: b, states: &vb, step: 1)
    #expect(abs(a[0] - b[0]) > 0.05)
  }

  @Test("with a schedule, the rate inside and outside the buffer part")
  func schedule() throws {
    var (inside, outside) = ([1.0], [1.0])
    var (vi, vo) = ([[0.0]], [[0.0]])
    for (step, rate) in [0.1, 0.01, 0.001].enumerated() {
      try Momentum(learningRate: rate, learningRateInBuffer: true).referenceUpdate(
        &inside, gradients: [1], states: &vi, step: step + 1)
      try Momentum(learningRate: rate).referenceUpdate(
        &outside, gradients: [1], states: &vo, step: step + 1)
    }
    #expect(abs(inside[0] - outside[0]) > 0.05)
  }
}
