import Testing

@testable import Figures

@Suite struct DyingRatesTests {
  static let found = Result { try Figure.dyingRates.make(.cpu) }

  /// √(100/9500) is 0.103. Fails with RMSProp in AdaGrad's place, and with AdaGrad in RMSProp's.
  @Test("between steps 100 and 10,000 AdaGrad's rate falls to a tenth, the others' do not fall so")
  func rates() throws {
    let found = try Self.found.get()
    #expect((0.09...0.12).contains(found["adagrad rate kept"]))
    #expect(found["rmsprop rate kept"] > 0.75)
    #expect(found["adadelta rate kept"] > 1)
  }

  /// Fails with RMSProp in AdaGrad's place.
  @Test("where the minimum stands still, AdaGrad averages the noise out")
  func still() throws {
    let found = try Self.found.get()
    #expect(found["adagrad loss, still"] < found["rmsprop loss, still"] / 5)
    #expect(found["adagrad loss, still"] < found["adadelta loss, still"] / 2)
  }

  /// Fails with RMSProp in AdaGrad's place, and where the minimum does not move.
  @Test("where the minimum moves, AdaGrad is left behind")
  func moving() throws {
    let found = try Self.found.get()
    #expect(found["adagrad loss, moving"] > 100 * found["rmsprop loss, moving"])
    #expect(found["adagrad loss, moving"] > 5 * found["adadelta loss, moving"])
    #expect(found["rmsprop loss, moving"] < 0.05)
  }

  @Test func promises() throws {
    try expectPromises(of: .dyingRates, found: try Self.found.get())
  }
}
