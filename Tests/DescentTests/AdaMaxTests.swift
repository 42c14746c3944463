import DescentTestSupport
import Testing

@testable import Descent

@Suite struct AdaMaxTests {
  @Test("u is the largest gradient, each faded by β₂ since, wherever ε is added")
  func largest() throws {
    for inside in [false, true] {
      let rule = AdaMax(
        learningRate: 0.5, beta1: 0, beta2: 0.5, epsilon: 0.25, epsilonInsideMaximum: inside)
      for choice in try TestEngines.choices() {
        let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 1), on: choice)
        var x: [Float] = [0]
        var found: [Float] = []
        for g: Float in [-4, 1, 0, 0, 3] {
          try optimizer.step(&x, gradients: [g])
          found += try optimizer.state("u")
        }
        #expect(found == (inside ? [4.25, 2.125, 1.0625, 0.53125, 3.25] : [4, 2, 1, 0.5, 3]))
      }
    }
  }

  @Test("a NaN stays in the parameter, and u goes on")
  func notANumber() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(AdaMax(), layout: ParameterLayout(count: 1), on: choice)
      var x: [Float] = [0]
      try optimizer.step(&x, gradients: [.nan])
      #expect(try x[0].isNaN && optimizer.state("u")[0].isNaN)
      try optimizer.step(&x, gradients: [1])
      #expect(try x[0].isNaN && optimizer.state("m")[0].isNaN && optimizer.state("u") == [1])
    }
  }
}
