import ArgumentParser
import Descent
import Foundation
import Testing

@testable import descent_tool

@Suite struct BenchCommandTests {
  private func complaint(_ arguments: String...) -> String {
    do {
      var command = try DescentCommand.parseAsRoot(["bench"] + arguments)
      try command.run()
      return ""
    } catch {
      return DescentCommand.message(for: error)
    }
  }

  @Test func wrongCallsAreRefused() {
    #expect(complaint("--count", "0") == "--count is 0; allowed is 1 or more")
    #expect(complaint("--rounds", "0") == "--rounds is 0; allowed is 1 or more")
    #expect(complaint("--threads", "0") == "--threads is 0; allowed is 1 or more")
    #expect(complaint("--sweep", "--count", "5").hasSuffix("exclude each other"))
    #expect(complaint("--scale", "2") == "--scale needs a --layout")
    #expect(complaint("--alternate-groups", "2") == "--alternate-groups needs a --layout")
    #expect(complaint("--rule", "adamm").hasPrefix("there is no rule \"adamm\"; there is sgd"))
    #expect(complaint("--rule", "adam nothing,sgd").hasPrefix("there is no rule \"adam nothing\""))
    #expect(complaint("--device", "gpu").hasPrefix("there is no device \"gpu\""))
  }

  private func rules(_ text: String) throws -> [String] {
    let command = try BenchCommand.parse(["--rule", text])
    return try command.rules().map { "\($0.name) \(type(of: $0.rule).name)" }
  }

  @Test func variantsHaveNames() throws {
    #expect(try rules("adam") == ["adam adam"])
    #expect(try rules("sgd, adam rootEpsilon") == ["sgd sgd", "adam rootEpsilon adam"])
    #expect(try rules("all").count == Rules.all.count - 1)
    #expect(
      complaint("--rule", "sgd,muon")
        == "muon is bound by arithmetic, not by memory; Benchmarks/matrices measures it")
  }

  @Test func resultsGoWhereTheyAreAsked() throws {
    try withTemporaryFolder { folder in
      let files = ["f.json", "f.svg", "f.html"].map { folder.appending(path: $0).path }
      var command = try DescentCommand.parseAsRoot([
        "bench", "--rule", "sgd", "--device", "cpu,reference", "--count", "100", "--rounds", "2",
        "--json", files[0], "--plot", files[1], "--html", files[2],
      ])
      try command.run()
      let data = try Data(contentsOf: URL(filePath: files[0]))
      let document = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
      let results = try #require(document["results"] as? [[String: Any]])
      #expect(
        results.map { "\($0["rule"] ?? "") \($0["device"] ?? "")" }
          == ["copy cpu", "copy reference", "sgd cpu", "sgd reference"])
      #expect(try String(contentsOfFile: files[1], encoding: .utf8).hasPrefix("<svg"))
      let page = try String(contentsOfFile: files[2], encoding: .utf8)
      #expect(page.contains("medianSeconds"))
      #expect(page.contains("descent bench: 100 elements"))
    }
    #expect(
      complaint(
        "--rule", "sgd", "--device", "cpu", "--count", "9", "--rounds", "1", "--plot", "/nowhere/x"
      ) == "cannot write /nowhere/x: No such file or directory")
  }
}
