import Testing

@testable import Descent

@Suite struct AdEMAMixTests {
  @Test("without its slow average it is AdamW, to rounding")
  func adamW() throws {
    let mix = AdEMAMix(learningRate: 0.1, alpha: 0, weightDecay: 0.1)
    let adamW = AdamW(learningRate: 0.1, weightDecay: 0.1)
    var (a, b) = ([1.0, -2], [1.0, -2])
    var (states, own) = ([[0.0, 0], [0, 0], [0, 0]], [[0.0, 0], [0, 0]])
    for step in 1...50 {
      try mix.referenceUpdate(&a, gradients: a, states: &states, step: step)
      try adamW.referenceUpdate(&b, gradients: b, states: &own, step: step)
      for i in a.indices { #expect(abs(a[i] - b[i]) < 1e-13) }
    }
  }

  @Test("α grows in a straight line, and the half-life of β₃ does")
  func warmUps() {
    let rule = AdEMAMix(
      alpha: 8, alphaWarmupSteps: 4, beta3WarmupSteps: 10, warmupEpsilon: 0)
    #expect((1...5).map { rule.alpha(at: $0) } == [2, 4, 6, 8, 8])
    #expect(rule.beta3(at: 10) == 0.9999 && rule.beta3(at: 11) == 0.9999)
    func halfLife(_ beta: Double) -> Double { logarithm(0.5) / logarithm(beta) }
    let (first, last) = (halfLife(0.9), halfLife(0.9999))
    for step in 1...9 {
      let expected = first + (last - first) * Double(step) / 10
      #expect(abs(halfLife(rule.beta3(at: step)) / expected - 1) < 1e-11)
    }
    // From no memory at all.
    let empty = AdEMAMix(beta1: 0, beta3WarmupSteps: 2, warmupEpsilon: 0)
    #expect(abs(halfLife(empty.beta3(at: 1)) / (halfLife(0.9999) / 2) - 1) < 1e-11)
    #expect(AdEMAMix(beta3: 0, beta3WarmupSteps: 2, warmupEpsilon: 0).beta3(at: 1) < 0.9)
    // Where β₃ + δ is not below 1.
    let long = AdEMAMix(beta3: 1 - 1e-9, beta3WarmupSteps: 2)
    #expect(long.beta3(at: 1) > 0.9999 && long.beta3(at: 1) < 1)
  }
}
