import DescentTestSupport
import Foundation
import Testing
import Verification

@testable import Descent
@testable import descent_tool

/// `descent verify` finds what is wrong.
@Suite struct VerifyTests {
  /// A rule whose reference is not its kernel's.
  struct Liar: UpdateRule {
    static let name = "liar"
    var learningRate = 0.01
    var weightDecay = 0.0
    var appliedDecay: WeightDecay { .none }
    var maximize: Bool { false }
    static let hyperparameters: [Hyperparameter<Self>] = []
    static let variants = [RuleVariant("liar", Liar(), digest: 0)]
    var kernel: String { "sgd" }
    var states: [StateSpec] { [] }
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
    try FileManager.default.copyItem(at: URL(filePath: goldensFolder), to: folder)
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

  @Test("a trajectory that cannot run fails by its name, and the others go on")
  func verifyGoesOn() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "descent-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.copyItem(at: URL(filePath: goldensFolder), to: folder)
    let whole = try Goldens(folder: folder.path)
    let command = try VerifyCommand.parse(["--device", "reference,cpu"])
    let engines = try command.engines()
    let before = try command.replay(whole, [SGD.self], engines)
    #expect(before.allSatisfy { $0.passed })
    // One case has no step, and one a decay that no rule takes.
    let file = folder.appending(path: "sgd.json")
    var object = try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    var cases = try #require(object["cases"] as? [[String: Any]])
    let names = try cases.prefix(2).map { try #require($0["id"] as? String) }
    cases[0]["steps"] = -1
    var parameters = try #require(cases[1]["hyper"] as? [String: Any])
    parameters["weightDecay"] = -1
    cases[1]["hyper"] = parameters
    object["cases"] = cases
    try JSONSerialization.data(withJSONObject: object).write(to: file)
    let after = try command.replay(Goldens(folder: folder.path), [SGD.self], engines)
    #expect(after.map(\.case) == before.map(\.case))
    #expect(after.map(\.engine) == before.map(\.engine))
    #expect(Set(after.filter { !$0.passed }.map(\.case)) == Set(names))
    #expect(after.allSatisfy { $0.passed == !names.contains($0.case) })
    #expect(after.first { !$0.passed }?.reason?.contains("-1 steps") == true)
    #expect(VerifyCommand.failures(after).contains { $0.hasPrefix("Could not run: \(names[0])") })
  }
}
