import Testing

@testable import descent_tool

@Suite struct ConsoleTests {
  @Test func wordsGiveWayToResultsOnStandardOutput() {
    #expect(Console(json: "-").usesStandardError)
    #expect(!Console(json: "results.json").usesStandardError)
    #expect(!Console().usesStandardError)
  }
}
