import Testing

@testable import Figures

@Suite struct RavineTests {
  static let found = Result { try Figure.ravine.make(.cpu) }

  /// Fails with a γ of 0, which is SGD, and with one of 0.9, at which the swing only shrinks by √γ
  /// a step.
  @Test("momentum's swing after 20 steps is below a twentieth of SGD's at the same rate")
  func swing() throws {
    let found = try Self.found.get()
    #expect((0.3...0.4).contains(found["swing of sgd"]))
    #expect(found["swing of momentum"] < found["swing of sgd"] / 20)
    #expect(found["swing at the usual momentum"] > found["swing of sgd"])
  }

  /// Fails with a γ of 0, and if the search ends at the rate of the comparison, where momentum
  /// needs 50 steps.
  @Test("at the best rate of each momentum needs below a fifth of SGD's steps")
  func steps() throws {
    let found = try Self.found.get()
    #expect((140...170).contains(found["steps of sgd"]))
    #expect(found["steps of momentum"] < found["steps of sgd"] / 5)
    // In theory SGD's best rate is 2/(1 + κ), which must be below 2/κ.
    #expect((1.9 / 50...2.0 / 50).contains(found["best rate of sgd"]))
  }

  @Test func promises() throws {
    try expectPromises(of: .ravine, found: try Self.found.get())
  }
}
