import Testing

@testable import Figures

@Suite struct BiasCorrectionTests {
  static let found = Result { try Figure.biasCorrection.make(.cpu) }

  /// Fails if either correction is missing. The difference from 1 is the rounding of the weight
  /// itself.
  @Test("with both corrections every step under a steady gradient is as long as the rate")
  func both() throws {
    let found = try Self.found.get()
    #expect(found["shortest step, both"] > 0.9999)
    #expect(found["longest step, both"] < 1.0001)
  }

  /// (1 − 0.9ᵗ)/√(1 − 0.999ᵗ) is √10 at t = 1, 6.57 at 12 and 3.24 at 100. Fails with either
  /// correction.
  @Test("with neither the steps are three to seven times too long")
  func neither() throws {
    let found = try Self.found.get()
    #expect(abs(found["first step, neither"] - 3.1623) < 0.001)
    #expect(abs(found["longest step, neither"] - 6.569) < 0.01)
    #expect(abs(found["last step, neither"] - 3.241) < 0.01)
  }

  /// Fails with the two exchanged.
  @Test("with one alone the first step is √1000 times too long, or ten times too short")
  func one() throws {
    let found = try Self.found.get()
    #expect(abs(found["first step, m alone"] - 31.623) < 0.01)
    #expect(abs(found["first step, v alone"] - 0.1) < 0.0001)
  }

  /// Fails with the corrections, and without noise.
  @Test("from the minimum Adam is thrown more than twice as far without the corrections")
  func noisy() throws {
    let found = try Self.found.get()
    #expect(found["farthest, neither"] > 2 * found["farthest, both"])
  }

  @Test func promises() throws {
    try expectPromises(of: .biasCorrection, found: try Self.found.get())
  }
}
