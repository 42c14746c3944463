import DescentTestSupport
import Testing

@testable import Descent

@Suite struct RpropTests {
  @Test("a step grows while the sign stays, shrinks where it changes, and is not taken there")
  func signs() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        Rprop(learningRate: 1, increaseFactor: 2, minimumStep: 0.25, maximumStep: 4),
        layout: ParameterLayout(count: 1), on: choice)
      var x: [Float] = [0]
      var found: [[Float]] = []
      for g: Float in [3, 1, 1e-3, 9, -1, -1, 1, 1, -1, 0, 2] {
        try optimizer.step(&x, gradients: [g])
        found.append([x[0]] + (try optimizer.state("stepSize")))
      }
      #expect(
        found == [
          [-1, 1], [-3, 2], [-7, 4], [-11, 4], [-11, 2], [-9, 2], [-9, 1], [-10, 1], [-10, 0.5],
          [-10, 0.5], [-10.5, 0.5],
        ])
    }
  }

  @Test("an element begins with the rate of its own first step")
  func begins() throws {
    for choice in try TestEngines.cut() + [.reference] {
      var layout = ParameterLayout()
      try layout.append("a", shape: [2], group: "a")
      try layout.append("late", shape: [1], group: "a")
      try layout.append("slow", shape: [1], group: "slow")
      try layout.setGroup("slow", to: ParameterGroup(learningRateFactor: 0.25))
      let optimizer = try Optimizer(Rprop(learningRate: 9), layout: layout, on: choice)
      optimizer.schedule = .linear(from: 1, to: 0.5, steps: 1)
      optimizer.leftOut = ["late"]
      var x: [Float] = [0, 0, 0, 0]
      try optimizer.step(&x, gradients: [1, 0, 1, -1])
      #expect(x == [-1, 0, 0, 0.25], "\(optimizer.engineName)")
      optimizer.leftOut = []
      try optimizer.step(&x, gradients: [1, 1, 1, 0])
      // A gradient of 0 begins too.
      #expect(x == [-1 - 1.2, -1, -0.5, 0.25], "\(optimizer.engineName)")
    }
  }

  @Test("a gradient without a sign moves nothing: 0, below the normal numbers, NaN")
  func signless() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        Rprop(learningRate: 1), layout: ParameterLayout(count: 5), on: choice)
      var x: [Float] = [0, 0, 0, 0, 0]
      let g: [Float] = [0, -0.0, 0x1p-127, .nan, 0x1p-126]
      for _ in 1...2 { try optimizer.step(&x, gradients: g) }
      #expect(x == [0, 0, 0, 0, -2.2])
      #expect(try optimizer.state("stepSize") == [1, 1, 1, 1, 1.2])
    }
  }
}
