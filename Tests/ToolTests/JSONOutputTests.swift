import Foundation
import Testing

@testable import descent_tool

@Suite struct JSONOutputTests {
  private struct Row: Encodable {
    var rule: String
    var loss: Float
    var best: Double
  }

  private func output(_ destination: String) -> JSONOutput {
    JSONOutput(destination: destination, command: "train", version: "1.0")
  }

  @Test func keysAreSortedAndNumbersThatAreNoneAreStrings() throws {
    try withTemporaryFolder { folder in
      let file = folder.appendingPathComponent("a/b.json")
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try output(file.path).write([
        Row(rule: "sgd/1", loss: .nan, best: -.infinity),
        Row(rule: "adam", loss: .infinity, best: 0.5),
      ])
      #expect(
        try String(contentsOf: file, encoding: .utf8) == """
          {
            "command" : "train",
            "results" : [
              {
                "best" : "-inf",
                "loss" : "nan",
                "rule" : "sgd/1"
              },
              {
                "best" : 0.5,
                "loss" : "inf",
                "rule" : "adam"
              }
            ],
            "version" : "1.0"
          }

          """)
    }
  }

  @Test func aFileIsReplacedAndNothingIsLeftBeside() throws {
    try withTemporaryFolder { folder in
      let file = folder.appendingPathComponent("results.json")
      try Data(repeating: 0x78, count: 10_000).write(to: file)
      try output(file.path).write([1, 2])
      #expect(try Data(contentsOf: file).count < 100)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["results.json"])
    }
  }

  @Test func aLinkIsFollowed() throws {
    try withTemporaryFolder { folder in
      let link = folder.appendingPathComponent("link.json")
      let file = folder.appendingPathComponent("file.json")
      try Data(repeating: 0x78, count: 10_000).write(to: file)
      try FileManager.default.createSymbolicLink(at: link, withDestinationURL: file)
      try output(link.path).write([1])
      #expect((1..<100).contains(try Data(contentsOf: file).count))
      let kind = try FileManager.default.attributesOfItem(atPath: link.path)[.type]
      #expect(kind as? FileAttributeType == .typeSymbolicLink)
    }
  }

  @Test func aDeviceIsWrittenInPlace() throws {
    try output("/dev/null").write([1])
    let kind = try FileManager.default.attributesOfItem(atPath: "/dev/null")[.type]
    #expect(kind as? FileAttributeType == .typeCharacterSpecial)
  }

  @Test func whatCannotBeWrittenSaysWhy() throws {
    try withTemporaryFolder { folder in
      let missing = folder.appendingPathComponent("none/results.json").path
      let error = #expect(throws: OutputError.self) { try output(missing).write([1]) }
      #expect(
        error?.description
          == "cannot write the results to \(missing): No such file or directory")

      let itself = #expect(throws: OutputError.self) { try output(folder.path).write([1]) }
      #expect(
        itself?.description == "cannot write the results to \(folder.path): Is a directory")
    }
  }
}
