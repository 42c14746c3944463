import Testing

@testable import descent_tool

@Suite struct BenchSamplesTests {
  @Test(arguments: [([], nil), ([3], 3), ([5, 1], 3), ([9, 1, 2], 2), ([4, 1, 3, 2], 2.5)])
  func theMedianIsTheMiddle(values: [Double], median: Double?) {
    #expect(values.median == median)
  }

  @Test func theFractionIsTheMedianOfTheRoundsRatios() {
    var samples = Samples()
    // A disturbance that meets a step and its pass alike leaves their ratio alone.
    for (step, pass) in [(2.0, 1.0), (200, 100), (4, 3)] { samples.append(step: step, pass: pass) }
    #expect(samples.fractionOfCeiling == 0.5)
    #expect(samples.median == 4)
    #expect(samples.minimum == 2)
    #expect(samples.ceiling == 3)
  }

  @Test func aCopyHasNoCeiling() {
    var samples = Samples()
    samples.append(2)
    #expect(samples.count == 1)
    #expect(samples.median == 2)
    #expect(samples.ceiling == nil)
    #expect(samples.fractionOfCeiling == nil)
  }
}
