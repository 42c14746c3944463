import Descent
import Foundation
import Testing

@testable import descent_tool

@Suite struct ConsoleTests {
  @Test func wordsGiveWayToResultsOnStandardOutput() {
    #expect(Console(json: "-").usesStandardError)
    #expect(!Console(json: "results.json").usesStandardError)
    #expect(!Console().usesStandardError)
  }

  @Test("controls of ASCII, those beyond it and what turns a line are written out")
  func escapes() {
    #expect("plain é 漢 \u{1F600}".escapedAsLine == "plain é 漢 \u{1F600}")
    #expect("a\u{1B}[31m\u{7}\u{7F}\r".escapedAsLine == "a\\u{1B}[31m\\u{07}\\u{7F}\\r")
    #expect(
      "\u{9B}2J\u{85}\u{2028}\u{202E}".escapedAsLine == "\\u{009B}2J\\u{0085}\\u{2028}\\u{202E}")
    #expect("a\n\tb\r\n".escapedAsLine == "a\\n\\tb\\r\\n")
    #expect("a\n\tb\r\n".escapedForTerminal == "a\n\tb\\r\n")
  }

  private static let hostile = "x\u{1B}]0;owned\u{7}\u{9B}31m\u{202E}"

  @Test("what a terminal obeys does not reach it from files: words, tables, errors and JSON")
  func hostileNames() async throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "descent-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "hostile.safetensors").path
    try Self.save(path)
    for arguments in [
      ["checkpoint", "inspect", path], ["checkpoint", "inspect", path, "--json", "-"],
      ["checkpoint", "verify", path], ["checkpoint", "step", path, path, path + "2"],
      ["train", "--data", Self.hostile], ["verify", "--rule", Self.hostile],
    ] {
      let run = try await #require(
        processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]
      ) { [arguments = arguments as [String]] in
        _ = DescentCommand.status(of: arguments)
      }
      let text = String(
        decoding: run.standardOutputContent + run.standardErrorContent, as: UTF8.self)
      // Nothing is to be seen of names where a file is whole.
      if arguments[1] != "verify" { #expect(text.contains("owned"), "\(arguments)") }
      let obeyed = text.unicodeScalars.filter {
        ($0.properties.generalCategory == .control && $0 != "\n" && $0 != "\t") || $0 == "\u{202E}"
      }
      #expect(obeyed.isEmpty, "\(arguments): \(text.debugDescription)")
    }
  }

  /// A checkpoint whose names are what a stranger may have chosen.
  private static func save(_ path: String) throws {
    var layout = ParameterLayout()
    try layout.append(hostile, shape: [2], group: hostile)
    let optimizer = try Optimizer(SGD(), layout: layout, on: .cpu)
    try optimizer.save(to: path, parameters: [1, 2] as [Float], metadata: [hostile: hostile])
  }

  @Test("a JSON document has controls as JSON's escapes, and reads as the same text")
  func json() throws {
    let document = try JSONOutput(destination: "-", command: "x", version: "1")
      .document([Self.hostile])
    let text = String(decoding: document, as: UTF8.self)
    #expect(
      text.unicodeScalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control })
    #expect(text.contains("\\u009b31m\\u202e"))
    let read = try #require(JSONSerialization.jsonObject(with: document) as? [String: Any])
    #expect(read["results"] as? [String] == [Self.hostile])
  }

  @Test(
    "where standard output is full or closed, the exit status is 1 and standard error says why",
    arguments: [
      ["devices"], ["devices", "--json", "-"], ["--help"], ["--version"], ["train", "--help"],
      ["verify", "--rule", "sgd", "--counts", "1", "--device", "cpu"],
      ["race", "--rule", "sgd", "--steps", "1", "--device", "cpu"],
      ["race", "--rule", "sgd", "--steps", "1", "--device", "cpu", "--json", "-"],
      ["--generate-completion-script", "bash"],
    ])
  func fullOutput(_ arguments: [String]) async throws {
    for isClosed in [false, true] {
      let run = try await #require(
        processExitsWith: .success, observing: [\.standardErrorContent]
      ) { [arguments = arguments as [String], isClosed = isClosed as Bool] in
        if isClosed {
          close(STDOUT_FILENO)
        } else {
          try #require(dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO) == STDOUT_FILENO)
        }
        try #require(DescentCommand.status(of: arguments) == 1)
      }
      let words = String(decoding: run.standardErrorContent, as: UTF8.self)
      // Between the close and the command, a thread of the process may open another file as 1.
      let reason = isClosed ? "" : "No space left on device"
      #expect(words.contains("standard output: \(reason)"), "\(arguments): \(words)")
    }
  }
}
