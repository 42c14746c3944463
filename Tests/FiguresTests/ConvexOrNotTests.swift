import Testing

@testable import Figures

@Suite struct ConvexOrNotTests {
  static let found = Result { try Figure.convexOrNot.make(.cpu) }

  /// Fails with the bowl in the other surface's place, and with a rate of 0, at which every walk
  /// ends where it began.
  @Test("SGD ends in one place on a bowl, and in four among four minima")
  func ends() throws {
    let found = try Self.found.get()
    #expect(found["ends on the bowl"] == 1)
    #expect(found["ends among minima"] == 4)
    #expect(found["greatest miss of a minimum"] < 1e-3)
  }

  /// Fails where all starts are on one side of the hill, and with the bowl in the surface's place.
  @Test("most starts do not find the lowest of them")
  func depths() throws {
    let found = try Self.found.get()
    #expect(found["in the lowest"] == found["starts"] / 4)
    #expect((28...28.5).contains(found["worst end above the lowest"]))
  }

  @Test func promises() throws {
    try expectPromises(of: .convexOrNot, found: try Self.found.get())
  }
}
