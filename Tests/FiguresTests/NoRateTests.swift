import Testing

@testable import Figures

@Suite struct NoRateTests {
  static let found = Result { try Figure.noRate.make(.cpu) }

  private func steps(_ what: String) throws -> [Double] {
    let found = try Self.found.get()
    return ["small", "1", "large"].map { found["\(what) \($0)"] }
  }

  /// Fails with SGD in AdaDelta's place.
  @Test("AdaDelta needs the same steps however the loss is scaled, to two in a hundred")
  func loss() throws {
    let steps = try steps("adadelta, loss")
    #expect(steps.allSatisfy { abs($0 / steps[1] - 1) < 0.02 })
    #expect(steps[1] < 400)
  }

  /// Fails with RMSProp in AdaDelta's place, and with an ε that is not scaled.
  @Test("and however the weights are, if ε is scaled by their square")
  func weightsAndEpsilon() throws {
    let steps = try steps("adadelta, weights and epsilon")
    #expect(steps.allSatisfy { abs($0 / steps[1] - 1) < 0.02 })
  }

  /// Fails with an ε that is scaled.
  @Test("but not with the same ε, which sets how long the first steps are")
  func weights() throws {
    let steps = try steps("adadelta, weights")
    #expect(steps[0] < steps[1] / 4)
    #expect(steps[2] > steps[1] * 4)
  }

  /// Fails with AdaDelta in SGD's place: then the loss times 100 arrives too.
  @Test("SGD crawls with a hundredth of the loss, and diverges with a hundred times as much")
  func sgd() throws {
    let steps = try steps("sgd, loss")
    #expect(steps[0] > 50 * steps[1])
    #expect(steps[2].isNaN)
  }

  /// Fails with AdaDelta in RMSProp's place.
  @Test("RMSProp does not mind the loss's scale either, but the weights'")
  func rmsProp() throws {
    let (loss, weights) = (try steps("rmsprop, loss"), try steps("rmsprop, weights"))
    #expect(loss.allSatisfy { abs($0 / loss[1] - 1) < 0.02 })
    #expect(weights[2] > 9 * weights[1])
  }

  @Test func promises() throws {
    try expectPromises(of: .noRate, found: try Self.found.get())
  }
}
