import DescentTestSupport
import Testing
import Verification

@testable import Descent

/// μ and the product of all of them.
@Suite struct NAdamTests {
  @Test("μ rises from about β₁/2 to β₁, and is β₁ throughout on the simple schedule")
  func momentum() {
    let rule = NAdam(beta1: 0.9, momentumDecay: 1)
    #expect(abs(rule.momentum(at: 1) - 0.9 * (1 - 0.5 * 0.96)) < 1e-15)
    #expect(abs(rule.momentum(at: 2) - 0.9 * (1 - 0.5 * 0.96 * 0.96)) < 1e-15)
    #expect(rule.momentum(at: 2000) == 0.9)
    #expect(NAdam(momentumDecay: 0).momentum(at: 9) == 0.45)
    #expect(NAdam(beta1: 0.7, simpleSchedule: true).momentum(at: 1) == 0.7)
    // As far as steps and ψ go.
    let most = OptimizerStatus.maximumStepCount
    #expect(NAdam(momentumDecay: 1e38).momentum(at: most) == 0.9)
  }

  @Test("the product is PyTorch's and Keras's, in the trajectories that say it")
  func product() throws {
    for id in Trajectories.finite where id.hasPrefix("nadam/") {
      let goldens = try Trajectories.goldens.get()
      let item = try #require(goldens.cases.first { $0.id == id })
      guard let texts = item.scalars["muProduct"] else { continue }
      let rule = try #require(item.rule() as? NAdam)
      var (history, found) = ([1.0], [Double]())
      for step in 1...item.steps {
        _ = rule.scalars(at: step, history: &history)
        if item.checkpoints.contains(step) { found += history }
      }
      for (product, text) in zip(found, texts) {
        let truth = try #require(numbers(text).first)
        #expect(abs(product - truth) <= 1e-13 * truth, "\(id)")
      }
      // The scalars of a run with this rule throughout are those of its history.
      var before = [1.0]
      for step in 1..<item.steps { _ = rule.scalars(at: step, history: &before) }
      let last = rule.scalars(at: item.steps, history: &before)
      #expect(rule.scalars(at: item.steps).momentPart == last.momentPart)
    }
  }

  @Test("both parts of the step have one quotient, which a large sum does not make infinite")
  func largeGradients() throws {
    for choice in try TestEngines.choices() {
      let fast = try Optimizer(
        NAdam(learningRate: 1e20), layout: ParameterLayout(count: 1), on: choice)
      var x: [Float] = [0]
      try fast.step(&x, gradients: [1e19])
      #expect(x[0] < -1e19 && x[0] > -1e21)
      // The root of v is infinite, and the step 0.
      let large = try Optimizer(
        NAdam(learningRate: 1, simpleSchedule: true), layout: ParameterLayout(count: 1), on: choice)
      var y: [Float] = [1]
      try large.step(&y, gradients: [3e38])
      #expect(y[0] == 1)
      // As in Adam, a gradient that is not finite makes the parameter NaN in the same step.
      for gradient in [Float.infinity, -.infinity, .nan] {
        let spoiled = try Optimizer(NAdam(), layout: ParameterLayout(count: 1), on: choice)
        var z: [Float] = [1]
        try spoiled.step(&z, gradients: [gradient])
        #expect(z[0].isNaN)
      }
    }
  }

  @Test("the product moves with the steps that are taken, and is saved")
  func history() throws {
    for choice in try TestEngines.choices() {
      let rule = NAdam(learningRate: 0.1, momentumDecay: 1)
      let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 2), on: choice)
      optimizer.skipsNonFinite = true
      var x: [Float] = [1, -1]
      for g: Float in [1, .nan, 0.5, 0.25] { try optimizer.step(&x, gradients: [g, 1]) }
      let product = (1...3).reduce(1) { $0 * rule.momentum(at: $1) }
      #expect(try optimizer.status.histories == ["default": ["muProduct": product]])
      let twin = try Optimizer(rule, layout: ParameterLayout(count: 2), on: choice)
      try twin.load(optimizer.state)
      var y = x
      try optimizer.step(&x, gradients: [1, 2])
      try twin.step(&y, gradients: [1, 2])
      #expect(x == y)
      // A schedule of μ may take the place of another.
      optimizer.rule = NAdam(learningRate: 0.1, simpleSchedule: true)
      try optimizer.step(&x, gradients: [1, 2])
      let next = product * rule.momentum(at: 4) * 0.9
      #expect(try optimizer.status.histories == ["default": ["muProduct": next]])
    }
    var (x, states): ([Float], [[Float]]) = ([1], [[0], [0]])
    #expect(throws: DescentError.self) {
      try NAdam().update(&x, gradients: [1], states: &states, step: 1)
    }
  }
}
