import Foundation
import Testing

@testable import Descent
@testable import descent_tool

/// `descent verify` finds what is wrong.
@Suite struct VerifyTests {
  /// A rule whose reference is not its kernel's.
  struct Liar: UpdateRule {
    static let name = "liar"
    var learningRate = 0.01
    var weightDecay = 0.0
    var decoupled: Bool { false }
    var maximize: Bool { false }
    static let hyperparameters: [Hyperparameter<Self>] = []
    static let variants = [RuleVariant("liar", Liar(), digest: 0)]
    var kernel: String { "sgd" }
    var stateNames: [String] { [] }
    func scalars(at step: Int) -> SGD.Scalars<Float> { SGD(learningRate: 0.01).scalars(at: step) }
    func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {
      elements.update { _, g, _ in g }
    }
  }

  @Test("verify finds an engine that is not the reference, and a digest that changed")
  func verifyFinds() throws {
    let command = try VerifyCommand.parse(["--counts", "5", "--device", "cpu"])
    let results = try command.compare([Liar.self], command.engines())
    #expect(!results.isEmpty && results.allSatisfy { !$0.passed })
    #expect(results.contains { $0.bitsApart ?? 0 > 0 } && results.contains { $0.bitsApart == nil })
  }

  @Test("verify ends with status 1 where a trajectory is out of bounds, and 0 where none is")
  func verifyStatus() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "descent-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.copyItem(at: URL(filePath: try goldensFolder()), to: folder)
    func status() -> Int32 {
      do {
        var command = try DescentCommand.parseAsRoot([
          "verify", "--rule", "sgd", "--counts", "1", "--device", "reference", "--trajectories",
          folder.path,
        ])
        try command.run()
        return 0
      } catch {
        return DescentCommand.status(for: error)
      }
    }
    #expect(status() == 0)
    let file = folder.appending(path: "sgd.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    try text.replacingOccurrences(of: "\"learningRate\":", with: "\"learningRate\": 1")
      .write(to: file, atomically: true, encoding: .utf8)
    #expect(status() == 1)
  }
}
