import DescentTestSupport
import Testing

@testable import Descent

@Suite struct AdaBeliefTests {
  /// Parameters after steps 5, 6 and 12, by adabelief-pytorch 0.2.1 in Float64.
  private static let recorded: [(AdaBelief, [Int: [Double]])] = [
    (
      .authors(learningRate: 0.01, epsilon: 1e-8, weightDecay: 0.1),
      [
        5: [0.9879433334939217, -0.5119059856338742, 0.00330769828724456, 1.9954283484864228],
        6: [0.9868477605892064, -0.5114056872585949, 0.0033181165444772275, 1.9935061437804202],
        12: [0.9807646710748394, -0.508383888490719, 0.0035828525156752517, 1.9816047919537574],
      ]
    ),
    (
      .authors(
        learningRate: 0.01, beta1: 0.8, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1,
        decoupled: false),
      [
        5: [0.9880913481573175, -0.5111720486060968, 0.003003967957922202, 1.995582479259457],
        6: [0.9867554344327282, -0.5107558844817607, 0.0030999566603217782, 1.994993020223507],
        12: [0.9814353758993184, -0.5068373458384212, 0.004872033101904668, 1.982210750540355],
      ]
    ),
  ]

  @Test("rectified it is the authors' package, with either decay")
  func authors() throws {
    for (rule, recorded) in Self.recorded {
      var (x, states) = ([1, -0.5, 0, 2], [[0.0, 0, 0, 0], [0.0, 0, 0, 0]])
      var compared = 0
      for step in 1...12 {
        let gradients = (0..<4).map { Double((7 * step + 3 * $0) % 11 - 5) / 8 }
        try rule.referenceUpdate(&x, gradients: gradients, states: &states, step: step)
        guard let truth = recorded[step] else { continue }
        for (value, truth) in zip(x, truth) { #expect(abs(value - truth) < 1e-14, "\(step)") }
        compared += 1
      }
      #expect(compared == 3)
    }
  }

  @Test("under a steady gradient s fades, and the steps grow to η|m|/ε")
  func steady() throws {
    let rule = AdaBelief(learningRate: 1e-3, epsilon: 0.5, stateEpsilon: 0)
    var (x, states) = ([0.0], [[0.0], [0.0]])
    for step in 1...20_000 {
      try rule.referenceUpdate(&x, gradients: [2], states: &states, step: step)
    }
    let before = x[0]
    try rule.referenceUpdate(&x, gradients: [2], states: &states, step: 20_001)
    #expect(abs((before - x[0]) / 4e-3 - 1) < 1e-3 && states[1][0] < 1e-6)
  }
}
