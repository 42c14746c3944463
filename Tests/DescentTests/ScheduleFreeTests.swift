import DescentTestSupport
import Testing
import Verification

@testable import Descent

/// The Schedule-Free methods without their average are those with it, and the average is found.
@Suite struct ScheduleFreeTests {
  static let goldens = Trajectories.finite.filter { $0.hasPrefix("schedule_free") }

  /// The method of the paper, which stores both x and z.
  private struct Literal {
    var x: [Double]
    var z: [Double]
    let beta: Double

    init(_ start: [Double], beta: Double) { (x, z, self.beta) = (start, start, beta) }

    /// Where the gradient is taken.
    var y: [Double] { zip(x, z).map { beta * $0 + (1 - beta) * $1 } }

    mutating func step(rate: Double, weight: Double, gradient: [Double]) {
      for i in x.indices {
        z[i] -= rate * gradient[i]
        x[i] = (1 - weight) * x[i] + weight * z[i]
      }
    }
  }

  private func gradient<T: BinaryFloatingPoint>(_ p: [T]) -> [T] {
    zip(NesterovTests.curvature, p).map { T($0) * $1 }
  }

  private func rate(_ step: Int) -> Double { step <= 20 ? 0.01 : 0.04 / Double(step - 15) }

  @Test("in Double it is the literal method, while the rate varies")
  func literal() throws {
    let start: [Double] = [1, 1, -2]
    var rule = ScheduleFreeSGD(warmupSteps: 5, stepPower: 0.5, learningRatePower: 2)
    var literal = Literal(start, beta: rule.momentum)
    var (y, states, history) = (start, [start], rule.history.map(\.start))
    var (largest, sum) = (0.0, 0.0)
    for step in 1...100 {
      rule.learningRate = rate(step)
      let rate = rule.learningRate * min(1, Double(step) / 5)
      largest = max(largest, rate)
      let weight = Double(step).squareRoot() * largest * largest
      sum += weight
      literal.step(rate: rate, weight: weight / sum, gradient: gradient(literal.y))
      try rule.referenceUpdate(
        &y, gradients: gradient(y), states: &states, history: &history, step: step)
      let point = try #require(rule.evaluationPoint(afterStep: true))
      for i in start.indices {
        let x = y[i] + point.factor * (y[i] - states[0][i])
        #expect(abs(y[i] - literal.y[i]) < 1e-13 && abs(x - literal.x[i]) < 1e-13, "step \(step)")
      }
    }
  }

  @Test("the point to evaluate is the library's, on every engine", arguments: goldens)
  func evaluation(_ id: String) throws {
    let goldens = try Trajectories.goldens.get()
    let item = try #require(goldens.cases.first { $0.id == id })
    // Keras shows none.
    guard let truth = item.float64States["x"] else { return }
    let (start, gradient) = try goldens.problem(of: item)
    let peaks = try numbers(item.peakMagnitudes)
    for choice in try TestEngines.each() {
      let optimizer = try Optimizer(
        item.rule(), layout: ParameterLayout(count: start.count), on: choice)
      var x = start.map { Float($0) }
      var (point, checkpoint) = (x, 0)
      for step in 1...item.steps {
        optimizer.setLearningRate(item.learningRate(step))
        try optimizer.step(
          &x, gradients: gradient(step, x.map { Double($0) }).map { Float($0) })
        guard item.checkpoints.contains(step) else { continue }
        let before = x
        try optimizer.writeIterate(from: x, into: &point)
        #expect(x == before)
        for ((value, truth), peak) in zip(zip(point, try numbers(truth[checkpoint])), peaks) {
          let size = max(peak, abs(truth))
          #expect(
            abs(Double(value) - truth) <= Double(2 * step + 8) * Double(Float(size).ulp),
            "step \(step)")
        }
        checkpoint += 1
      }
      try optimizer.settle(&x)
      #expect(x == point)
      #expect(throws: DescentError.settled) { try optimizer.step(&x, gradients: x) }
    }
  }

  @Test("before the first step, and where z is y, the point to evaluate is the parameters")
  func start() throws {
    for rule in [ScheduleFreeSGD(), ScheduleFreeAdamW()] as [any UpdateRule] {
      let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 2), on: .cpu)
      let x: [Float] = [0.1, -3]
      var point: [Float] = [0, 0]
      #expect(optimizer.hasEvaluationPoint)
      try optimizer.writeIterate(from: x, into: &point)
      #expect(point == x)
      var y = x
      try optimizer.step(&y, gradients: [1, 0])
      try optimizer.writeIterate(from: y, into: &point)
      #expect(point[0] != x[0] && point[1] == x[1])
    }
  }

  @Test("a step at a rate of 0 moves nothing and has no weight")
  func noRate() throws {
    for rule in [ScheduleFreeSGD(learningRate: 0), ScheduleFreeAdamW(learningRate: 0)]
      as [any UpdateRule]
    {
      let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 1), on: .cpu)
      var y: [Float] = [1]
      try optimizer.step(&y, gradients: [1])
      #expect(y == [1])
      #expect(try optimizer.status.histories["default"]?["weightSum"] == 0)
      optimizer.setLearningRate(0.5)
      try optimizer.step(&y, gradients: [1])
      var x = y
      try optimizer.writeIterate(from: y, into: &x)
      // The second step has all the weight: x is z.
      #expect(try abs(x[0] - optimizer.state("z")[0]) < 1e-6)
    }
  }

  @Test("the share of the average in the parameters stays from step to step, and is not 0")
  func share() throws {
    #expect(
      message { try ScheduleFreeSGD(momentum: 0).validate() }
        == "schedule_free_sgd: momentum of 0 leaves nothing of the average in the parameters")
    #expect(
      message { try ScheduleFreeAdamW(beta1: 0).validate() }
        == "schedule_free_adamw: beta1 of 0 leaves nothing of the average in the parameters")
    let optimizer = try Optimizer(ScheduleFreeAdamW(), layout: ParameterLayout(count: 1), on: .cpu)
    var y: [Float] = [1]
    try optimizer.step(&y, gradients: [1])
    let before = (y, try optimizer.states())
    optimizer.rule = ScheduleFreeAdamW(beta1: 0.5)
    #expect(
      message { try optimizer.step(&y, gradients: [1]) }
        == "schedule_free_adamw: the parameters were made with a beta1 of 0.9, not of 0.5")
    #expect(try y == before.0 && optimizer.states() == before.1)
    optimizer.rule = ScheduleFreeAdamW(learningRate: 1, beta2: 0.5)
    try optimizer.step(&y, gradients: [1])
  }

  @Test("weights stay finite, however large the powers")
  func largePowers() throws {
    var history = ScheduleFreeAverage.history.map(\.start)
    let average = ScheduleFreeAverage(
      learningRate: 1e20, warmupSteps: 0, stepPower: 1e10, learningRatePower: 1e10, share: 0.9,
      shareName: "beta")
    for step in 1...10 {
      let (_, weight) = average.advance(&history, at: step)
      #expect(weight == 1 / Double(step) && history.allSatisfy(\.isFinite))
    }
  }
}
