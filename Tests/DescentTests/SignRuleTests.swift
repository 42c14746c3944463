import DescentTestSupport
import Testing

@testable import Descent

/// Rules that step by a sign.
@Suite struct SignRuleTests {
  static let rules: [any UpdateRule] = [Lion(learningRate: 0.25), Signum(learningRate: 0.25)]

  /// Without the reset, m stops at a denormal, and x moves at every step.
  @Test("an average that only decays ends at 0, and the parameter stands still", arguments: [0, 1])
  func decays(_ index: Int) throws {
    for choice in try TestEngines.each() {
      let rule = Self.rules[index]
      let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 3), on: choice)
      try optimizer.restore(states: ["m": [0x1p-125, -0x1p-125, 0x1p-149]], stepCount: 1)
      var x: [Float] = [1, 1, 1]
      for _ in 0..<300 { try optimizer.step(&x, gradients: [0, 0, 0]) }
      let before = x
      #expect(before[0] < 1 && before[1] > 1 && before[2] == 1, "\(choice)")
      #expect(try optimizer.state("m") == [0, 0, 0], "\(choice)")
      try optimizer.step(&x, gradients: [0, -0.0, 0])
      #expect(x == before, "\(choice)")
    }
  }

  @Test("a gradient of ±0 or NaN moves nothing, and any other by the rate")
  func signs() throws {
    let gradients: [Float] = [0, -0.0, .nan, 1e-30, -1e-30, .infinity, 3]
    for rule in Self.rules + [Signum(learningRate: 0.25, momentum: 0)] {
      for choice in try TestEngines.each() {
        let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 7), on: choice)
        var x = [Float](repeating: 1, count: 7)
        try optimizer.step(&x, gradients: gradients)
        #expect(x == [1, 1, 1, 0.75, 1.25, 0.75, 0.75], "\(rule) on \(choice)")
      }
    }
  }

  @Test("sign SGD keeps no state")
  func stateless() {
    #expect(Signum(momentum: 0).bytesPerElement == 12 && Signum().bytesPerElement == 20)
  }
}
