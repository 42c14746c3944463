import Testing

@testable import Figures

@Suite struct OvershootTests {
  static let found = Result { try Figure.overshoot.make(.cpu) }

  /// Fails with momentum in Nesterov's place, and with η = 0.3.
  @Test("at η = γ = 0.35 momentum needs six steps, and Nesterov five")
  func sketch() throws {
    let found = try Self.found.get()
    #expect(found["steps of momentum at 0.35"] == 6)
    #expect(found["steps of nesterov at 0.35"] == 5)
    #expect(found["overshoot of momentum at 0.35"] > 10 * found["overshoot of nesterov at 0.35"])
  }

  /// Fails with momentum in Nesterov's place.
  @Test("the larger γ, the larger the gap between the two, in steps and in overshoot")
  func gap() throws {
    let found = try Self.found.get()
    let gaps = ["0.35", "0.5", "0.6", "0.7", "0.8", "0.9"].map { gamma in
      (
        overshoot: found["overshoot of momentum at \(gamma)"]
          - found["overshoot of nesterov at \(gamma)"],
        steps: found["steps of momentum at \(gamma)"] - found["steps of nesterov at \(gamma)"]
      )
    }
    for (one, next) in zip(gaps, gaps.dropFirst()) {
      #expect(one.overshoot < next.overshoot)
      #expect(one.steps <= next.steps)
    }
    #expect(gaps[0].steps == 1)
    #expect(gaps[5].steps > 30)
  }

  /// Fails with the two methods exchanged.
  @Test("below that γ momentum hardly overshoots and is never slower")
  func small() throws {
    let found = try Self.found.get()
    for gamma in ["0", "0.05", "0.1", "0.15", "0.2", "0.25", "0.3"] {
      let gain = found["steps of nesterov at \(gamma)"] - found["steps of momentum at \(gamma)"]
      #expect(gain == 0 || gain == 1, "\(gamma)")
      #expect(found["overshoot of momentum at \(gamma)"] < 0.03)
    }
  }

  @Test func promises() throws {
    try expectPromises(of: .overshoot, found: try Self.found.get())
  }
}
