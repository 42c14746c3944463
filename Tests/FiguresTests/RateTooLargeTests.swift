import Descent
import Testing

@testable import Figures

@Suite struct RateTooLargeTests {
  static let found = Result { try Figure.rateTooLarge.make(.cpu) }

  /// 2/L, 2(1 + γ)/L and 2(1 + γ)/(1 + 2γ)L. Fails with any other of the three in a rule's place.
  @Test("each diverges where theory says, to five in a thousand")
  func bounds() throws {
    let found = try Self.found.get()
    for rule in RateTooLarge.bounded {
      let bound = found["\(rule.type.name) bound"]
      #expect(abs(bound / rule.bound - 1) < 0.005, "\(rule.type.name): \(bound)")
    }
  }

  /// Fails with SGD in any rule's place, and for AdaGrad at a rate of 1.
  @Test("at five times SGD's bound the others are thrown out and come back")
  func thrownOut() throws {
    let found = try Self.found.get()
    for name in ["adagrad", "adam", "adamw", "amsgrad"] {
      #expect((8.5...9.5).contains(found["\(name) farthest"]), "\(name)")
      #expect(found["\(name) last"] < 1.2, "\(name)")
    }
    // The first step is 10 rates long, as the bias is not corrected.
    #expect((98.5...99.5).contains(found["rmsprop farthest"]))
    #expect(found["rmsprop last"] < 20)
  }

  /// Fails with AdaGrad in RMSProp's place, and with RMSProp in AdaGrad's.
  @Test("AdaGrad, whose rate falls, comes closer than RMSProp, whose rate does not")
  func closer() throws {
    let found = try Self.found.get()
    #expect(found["adagrad last"] < found["rmsprop last"] / 10)
  }

  /// Fails with Adam in AdaDelta's place.
  @Test("AdaDelta is not thrown out at all")
  func adaDelta() throws {
    let found = try Self.found.get()
    #expect(found["adadelta farthest"] == 1)
    #expect(found["adadelta last"] < 0.5)
  }

  /// Fails with Adam in the place of any of the three.
  @Test("SGD, momentum and Nesterov do not come back")
  func lost() throws {
    let found = try Self.found.get()
    for name in ["sgd", "momentum", "nesterov"] { #expect(found["\(name) last"].isNaN, "\(name)") }
  }

  @Test func promises() throws {
    try expectPromises(of: .rateTooLarge, found: try Self.found.get())
  }
}
