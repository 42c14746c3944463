import DescentTestSupport
import Testing

@testable import Descent

@Suite struct AdanTests {
  @Test("the first step has no difference; the second has")
  func differences() throws {
    for choice in try TestEngines.each() {
      let optimizer = try Optimizer(
        Adan(learningRate: 0.5, epsilon: 0), layout: ParameterLayout(count: 2), on: choice)
      var x: [Float] = [1, 1]
      try optimizer.step(&x, gradients: [2, -8])
      #expect(try optimizer.state("d") == [0, 0])
      #expect(try optimizer.state("prevGrad") == [2, -8])
      // (1 − β)g/(1 − β) over √g².
      #expect(abs(x[0] - 0.5) < 1e-6 && abs(x[1] - 1.5) < 1e-6)
      try optimizer.step(&x, gradients: [3, -8])
      #expect(try optimizer.state("d") == [Float(1 - 0.92), 0])
    }
  }

  @Test("without gradients proximal decay divides by 1 + ηλ")
  func proximal() throws {
    for choice in try TestEngines.each() {
      let optimizer = try Optimizer(
        Adan(learningRate: 0.5, weightDecay: 2), layout: ParameterLayout(count: 1), on: choice)
      var x: [Float] = [1]
      for _ in 0..<3 { try optimizer.step(&x, gradients: [0]) }
      #expect(x == [0.125])
    }
  }
}
