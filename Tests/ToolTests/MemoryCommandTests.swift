import ArgumentParser
import Descent
import Testing

@testable import descent_tool

@Suite struct MemoryCommandTests {
  private func complaint(_ arguments: String...) -> String {
    do {
      var command = try DescentCommand.parseAsRoot(["memory"] + arguments)
      try command.run()
      return ""
    } catch {
      return DescentCommand.message(for: error)
    }
  }

  @Test func wrongCallsAreRefused() {
    #expect(complaint("peak", "--count", "1") == "--count is 1; allowed is 4096 or more")
    #expect(complaint("peak", "--threads", "0") == "--threads is 0; allowed is 1 or more")
    #expect(complaint("allocations", "--rule", "adamm").hasPrefix("there is no rule \"adamm\""))
  }

  /// Nothing is found to be zero where nothing counts.
  @Test func withoutTheLibraryNothingIsCounted() {
    #expect(complaint("allocations") == MemoryError.noCounter.description)
  }

  @Test("every manner steps, skips and zeroes as it says", arguments: StepManner.allCases)
  func mannersDoWhatTheySay(manner: StepManner) throws {
    for threads in [1, 2] {
      let trainer = try SteadyTrainer(Adam(), manner, threads: threads)
      try trainer.steps(1...20)
      try trainer.check(steps: 20)
      #expect(throws: MemoryError.self) { try trainer.check(steps: 21) }
    }
  }

  @Test func theLimitIsSixtyFourKibibytesForEachThreadAndOneMebibyte() throws {
    #expect(try PeakMemory.allowed(Adam(), count: 9, threads: 2) == 2 * 65536 + 1_048_576)
  }

  @Test func aWorkspaceOfMatricesIsTheLargestOnesOrSixteenMebibytes() throws {
    let perThread = (64 + 1024) * 1024
    let small = try PeakMemory.allowed(Muon(), count: 900 * 900, threads: 2)
    #expect(small == 2 * perThread + 17 * 1_048_576)
    // A matrix of 30 million elements needs another one.
    let large = try PeakMemory.allowed(Muon(), count: 30_000_000, threads: 1)
    #expect(large > perThread + 4 * 30_000_000 - 200_000)
  }
}
