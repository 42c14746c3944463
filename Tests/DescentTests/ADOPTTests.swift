import DescentTestSupport
import Testing

@testable import Descent

@Suite struct ADOPTTests {
  @Test("the first step takes the gradient's square, and moves nothing")
  func firstStep() throws {
    for rule in [ADOPT(weightDecay: 0.5, decoupled: true), ADOPT(epsilon: 0, clipped: false)] {
      for choice in try TestEngines.each() {
        let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 3), on: choice)
        var x: [Float] = [1, -2, 0]
        try optimizer.step(&x, gradients: [3, 0, 1e19])
        let v = try optimizer.state("v")
        #expect(x == [1, -2, 0], "\(choice)")
        #expect(try optimizer.state("m") == [0, 0, 0] && v[..<2] == [9, 0], "\(choice)")
        #expect(abs(v[2] / 1e38 - 1) < 1e-6)
      }
    }
  }

  @Test("the second step divides by the first gradient, and clips to 1, the third to 2^¼")
  func clipped() throws {
    for choice in try TestEngines.each() {
      let optimizer = try Optimizer(
        ADOPT(learningRate: 1, beta1: 0, beta2: 0), layout: ParameterLayout(count: 2), on: choice)
      var x: [Float] = [0, 0]
      for gradient: [Float] in [[2, -2], [1, 16], [4, 1000]] {
        try optimizer.step(&x, gradients: gradient)
      }
      let root = Float(2.0.squareRoot().squareRoot())
      #expect(abs(x[0] + 0.5 + root) < 1e-6 && abs(x[1] + 1 + root) < 1e-6, "\(choice)")
    }
  }

  @Test("without an ε, an element that had no gradient stays")
  func noDenominator() throws {
    let optimizer = try Optimizer(
      ADOPT(learningRate: 1, epsilon: 0, clipped: false), layout: ParameterLayout(count: 1),
      on: .cpu)
    var x: [Float] = [1]
    for gradient: Float in [0, 3] { try optimizer.step(&x, gradients: [gradient]) }
    #expect(x == [1])
  }
}
