import Testing

@testable import Figures

@Suite struct VectorsOfAStepTests {
  static let found = Result { try Figure.vectorsOfAStep.make(.cpu) }

  /// Fails with momentum in Nesterov's place, whose gradient is the one at the start, and with a γ
  /// of 0, for which the two places are one.
  @Test("momentum takes the gradient at its start, Nesterov where the momentum leads")
  func gradients() throws {
    let found = try Self.found.get()
    #expect(found["momentum's gradient against the one at the start"] < 1e-5)
    #expect(found["momentum's gradient against the one ahead"] > 0.5)
    #expect(found["nesterov's gradient against the one ahead"] < 1e-5)
    #expect(found["nesterov's gradient against the one at the start"] > 0.5)
    #expect(found["nesterov's parameters against the look-ahead"] < 1e-5)
  }

  /// Fails if the iterate is not computed from the engine's look-ahead point.
  @Test("momentum step and gradient step make up the actual step")
  func sums() throws {
    let found = try Self.found.get()
    #expect(found["distance of the beginnings"] < 1e-5)
    #expect(found["sum of momentum's arrows"] < 1e-5)
    #expect(found["sum of nesterov's arrows"] < 1e-5)
  }

  /// Fails with momentum in Nesterov's place.
  @Test("Nesterov's step ends at half of the height of momentum's")
  func heights() throws {
    let found = try Self.found.get()
    #expect(found["height after nesterov"] < found["height after momentum"] / 2)
  }

  @Test func promises() throws {
    try expectPromises(of: .vectorsOfAStep, found: try Self.found.get())
  }
}
