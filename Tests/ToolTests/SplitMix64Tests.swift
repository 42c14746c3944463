import Testing

@testable import Training

@Suite struct SplitMix64Tests {
  /// From the authors' own program for seed 1234567.
  @Test func itIsTheGeneratorOfThatName() {
    var generator = SplitMix64(seed: 1_234_567)
    #expect(
      (0..<5).map { _ in generator.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
      ])
  }

  @Test func uniformNumbersFillTheirInterval() {
    var generator = SplitMix64(seed: 1)
    let numbers = (0..<100_000).map { _ in generator.uniform() }
    #expect(numbers.allSatisfy { (0..<1).contains($0) })
    #expect(abs(numbers.reduce(0, +) / 100_000 - 0.5) < 0.005)
  }

  @Test func wholeNumbersAreEquallyLikely() {
    var generator = SplitMix64(seed: 1)
    var counts = [0, 0, 0]
    for _ in 0..<30_000 { counts[generator.below(3)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 300 })
    #expect((0..<100).allSatisfy { _ in generator.below(1) == 0 })
  }

  /// Moments and tail of the normal distribution, within five standard errors.
  @Test func normalNumbersAreNormal() {
    var generator = SplitMix64(seed: 1)
    let count = 100_000.0
    let numbers = (0..<Int(count)).map { _ in generator.normal() }
    func mean(_ value: (Double) -> Double) -> Double {
      numbers.reduce(0) { $0 + value($1) } / count
    }
    let error = 5 / count.squareRoot()
    #expect(abs(mean { $0 }) < error)
    #expect(abs(mean { $0 * $0 } - 1) < error * 1.42)
    #expect(abs(mean { $0 * $0 * $0 * $0 } - 3) < error * 9.8)
    #expect(abs(mean { abs($0) < 1 ? 1 : 0 } - 0.682_689) < error * 0.47)
    #expect(abs(mean { abs($0) < 2 ? 1 : 0 } - 0.954_500) < error * 0.21)
    #expect(abs(mean { $0 < 0.5 ? 1 : 0 } - 0.691_462) < error * 0.47)
  }

  @Test func theSameSeedGivesTheSameNumbers() {
    var generator = SplitMix64(seed: 42)
    #expect(
      (0..<3).map { _ in generator.normal() } == [
        0.3399310389170206, 0.5200132996032402, -0.09342765535316888,
      ])
    var order = Array(0..<10)
    generator.shuffle(&order)
    #expect(order == [6, 8, 2, 7, 3, 1, 9, 4, 5, 0])
  }

  @Test func everyOrderIsEquallyLikely() {
    var generator = SplitMix64(seed: 1)
    var counts: [[Int]: Int] = [:]
    for _ in 0..<6_000 {
      var order = [0, 1, 2]
      generator.shuffle(&order)
      counts[order, default: 0] += 1
    }
    #expect(counts.count == 6)
    #expect(counts.values.allSatisfy { abs($0 - 1_000) < 150 })
  }
}
