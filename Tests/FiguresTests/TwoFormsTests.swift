import Testing

@testable import Figures

@Suite struct TwoFormsTests {
  static let found = Result { try Figure.twoForms.make(.cpu) }

  /// Fails where the conversion is left out, or goes the wrong way.
  @Test("the converted rate makes one path of two, but for rounding")
  func converted() throws {
    let found = try Self.found.get()
    #expect(found["apart with the converted rate"] < 1e-5)
    #expect(found["apart when converted back"] < 1e-5)
  }

  /// Fails where both are the same form.
  @Test("the same numbers make two paths")
  func same() throws {
    #expect(try Self.found.get()["apart with the same rate"] > 4)
  }

  @Test func promises() throws {
    try expectPromises(of: .twoForms, found: try Self.found.get())
  }
}
