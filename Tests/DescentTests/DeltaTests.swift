import DescentTestSupport
import Testing
import Verification

@testable import Descent

/// The stateless tier's deltas: what an update changes, rounded once.
@Suite struct DeltaTests {
  @Test(
    "a delta is the new parameter less the old, and states move on",
    arguments: AgreementTests.stateless)
  func difference(_ variant: RuleVariant) throws {
    // Around the edges of the parts that a delta is made in.
    for count in [0, 1, 17, 127, 128, 129, 1023, 1024, 1025, 2049] {
      let pinned = PinnedSteps(count: count, special: true)
      var x = pinned.parameters
      var states = variant.rule.stateNames.map {
        variant.rule.initialState($0, parameters: x)
      }
      var (own, deltas) = (states, [Float](repeating: 7, count: count))
      for step in 1...3 {
        let (old, g) = (x, pinned.gradients(step))
        try variant.rule.delta(
          old, gradients: g, states: &own, into: &deltas, step: step, gradientScale: 0.5)
        try variant.rule.update(&x, gradients: g, states: &states, step: step, gradientScale: 0.5)
        #expect(Digest(deltas) == Digest(zip(x, old).map { $0 - $1 }), "\(count) elements")
        for (a, b) in zip(own, states) { #expect(Digest(a) == Digest(b)) }
        for i in 0..<count where x[i] * old[i] > 0 && x[i].isFinite {
          let ratio = x[i] / old[i]
          if ratio >= 0.5 && ratio <= 2 { #expect(old[i] + deltas[i] == x[i]) }
        }
      }
    }
  }

  @Test("what cannot be is refused before anything is touched")
  func errors() throws {
    let rule = Momentum(learningRate: 1)
    var states: [[Float]] = [[0, 0]]
    var deltas: [Float] = [7]
    #expect(
      message {
        try rule.delta([1, 2], gradients: [1, 1], states: &states, into: &deltas, step: 1)
      } == "deltas: 1 given, 2 expected")
    deltas = [7, 7]
    #expect(
      message {
        try rule.delta([1, 2], gradients: [1], states: &states, into: &deltas, step: 1)
      } == "gradients: 1 given, 2 expected")
    var memory: [Float] = [1, 2, 3, 4, 0, 0]
    memory.withUnsafeMutableBufferPointer { memory in
      func part(_ start: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: memory[start..<start + 2])
      }
      #expect(
        message {
          try rule.delta(
            parameters: UnsafeBufferPointer(part(0)), gradients: UnsafeBufferPointer(part(2)),
            states: [part(4)], into: part(1), step: 1)
        } == "\(DescentError.overlap)")
    }
    #expect(memory == [1, 2, 3, 4, 0, 0] && deltas == [7, 7] && states == [[0, 0]])
    try rule.delta([1, 2], gradients: [1, 3], states: &states, into: &deltas, step: 1)
    #expect(deltas == [-1, -3] && states == [[1, 3]])
  }
}
