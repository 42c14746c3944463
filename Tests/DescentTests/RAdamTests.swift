import DescentTestSupport
import Testing

@testable import Descent

@Suite struct RAdamTests {
  @Test("at β₂ = 0.999 five steps are not divided, and the rectification rises from there to 1")
  func rectified() {
    let factors = (1...20_000).map { rectification(0.999, $0, above: 5) }
    #expect(factors.prefix(5).allSatisfy { $0 == nil } && factors[5] != nil)
    let rest = factors.dropFirst(5).compactMap { $0 }
    #expect(rest.count == factors.count - 5)
    // The last are 1 but for roundings.
    #expect(zip(rest, rest.dropFirst().prefix(9000)).allSatisfy { $0 < $1 })
    #expect(rest[0] > 0.01 && rest[0] < 0.03 && abs(rest.last! - 1) < 1e-6)
    // Where ρ∞ is below the threshold no step ever is.
    #expect((1...100).allSatisfy { rectification(0.6, $0, above: 4) == nil })
    #expect(rectification(0, 1, above: 4) == nil)
  }

  @Test("a step that is not divided does not look at v, were it infinite")
  func undivided() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        RAdam(learningRate: 0.5, beta1: 0), layout: ParameterLayout(count: 2), on: choice)
      var x: [Float] = [0, 0]
      for _ in 1...5 { try optimizer.step(&x, gradients: [0x1p100, 0.5]) }
      #expect(try x == [-0x1.4p101, -1.25] && optimizer.state("v")[0] == .infinity)
      let before = x
      try optimizer.step(&x, gradients: [0x1p100, 0.5])
      #expect(x[0] == before[0] && x[1] < before[1])
    }
  }
}
