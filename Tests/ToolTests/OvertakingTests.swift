import Descent
import Testing

@testable import descent_tool

@Suite struct OvertakingTests {
  /// Rows of two devices, of which `a` takes a second at every size.
  private func rows(_ times: [(count: Int, b: Double)]) -> [BenchmarkRow] {
    times.flatMap { count, b in
      [("a", 1.0), ("b", b)].map { device, time in
        var row = BenchmarkRow(
          rule: "adam", device: device, count: count, tensors: 1, memoryCase: .resident,
          bytesPerStep: 28 * count, launchesPerStep: 0,
          passes: [PassStreams(read: 1, written: 3)])
        row.samples.append(step: time, pass: time)
        return row
      }
    }
  }

  private func overtakings(_ times: [(count: Int, b: Double)]) -> [Overtaking] {
    Overtaking.between("a", "b", "adam", rows(times)).0
  }

  @Test func theCrossingLiesBetweenTheSizes() {
    // Logarithms halfway between 1,024 and 16,384.
    #expect(
      overtakings([(1024, 4), (16384, 0.25)])
        == [Overtaking(rule: "adam", faster: "b", slower: "a", count: 4096)])
  }

  @Test func noiseIsNoOvertaking() {
    #expect(overtakings([(1, 4), (2, 0.95), (4, 1.05), (8, 2)]).isEmpty)
    #expect(overtakings([(1, 4), (2, 0.95), (4, 0.5)]).map(\.count) == [3])
  }

  @Test func severalFollowOneAnother() {
    let found = overtakings([(1, 2), (4, 0.5), (16, 0.4), (64, 2.5)])
    #expect(found.map(\.faster) == ["b", "a"])
    #expect(found.map(\.count) == [2, 32])
  }

  @Test func everyPairHasASentence() {
    #expect(
      Overtaking.sentences(of: rows([(1024, 4), (1 << 20, 0.25)]))
        == ["adam: b overtakes a at about 32 Ki elements"])
    #expect(Overtaking.sentences(of: rows([(1, 4), (2, 3)])) == ["adam: a stays ahead of b"])
    #expect(Overtaking.sentences(of: rows([(1, 1), (2, 1.01)])) == ["adam: a and b are even"])
    #expect(Overtaking.sentences(of: []).isEmpty)
  }

  @Test(arguments: [
    (0, "0"), (1021, "1021"), (1024, "1 Ki"), (1536, "1.5 Ki"), (1 << 25, "32 Mi"),
    (3 << 30, "3 Gi"),
  ])
  func countsAreShort(count: Int, text: String) { #expect(elements(count) == text) }
}
