import Descent
import Testing

@testable import Figures

@Suite struct SaddleTests {
  static let found = Result { try Figure.saddle.make(.cpu) }

  /// Fails where γ = 0: momentum is SGD then, and needs 349 steps too.
  @Test("SGD stalls near a saddle; every other method has left after a quarter of its steps")
  func leaving() throws {
    let found = try Self.found.get()
    #expect((330...370).contains(found["sgd"]))
    for type in ComparedRules.all where type != SGD.self {
      #expect(found[type.name] < found["sgd"] / 4, "\(type.name)")
    }
  }

  /// Fails where a rule with a rate per parameter is replaced by one without, such as Adam by
  /// momentum.
  @Test("a start a thousand times nearer holds up the methods whose steps shrink with the gradient")
  func nearer() throws {
    let found = try Self.found.get()
    for name in ["sgd", "momentum", "nesterov"] {
      #expect(found[name + " from nearer"] > 1.8 * found[name], "\(name)")
    }
    for name in ["adagrad", "rmsprop", "adam", "adamw", "amsgrad"] {
      #expect(abs(found[name + " from nearer"] - found[name]) <= 2, "\(name)")
    }
  }

  @Test func promises() throws {
    try expectPromises(of: .saddle, found: try Self.found.get())
  }
}
