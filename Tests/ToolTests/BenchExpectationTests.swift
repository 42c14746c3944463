import Descent
import DescentCeiling
import Testing

@testable import descent_tool

@Suite struct BenchExpectationTests {
  private func complaint(
    _ vector: ExpectedVector, _ elements: [Float], from first: Int = 0
  ) -> BenchmarkError? {
    do {
      try elements.withUnsafeBufferPointer { try vector.check($0, from: first, on: "cpu") }
      return nil
    } catch {
      return error as? BenchmarkError
    }
  }

  @Test func aPatternIsCheckedOverAndOver() {
    let vector = ExpectedVector(name: "x", pattern: [1, 2, 3])
    #expect(complaint(vector, [1, 2, 3, 1, 2, 3, 1]) == nil)
    #expect(complaint(vector, [3, 1, 2], from: 5) == nil)
    #expect(
      complaint(vector, [1, 2, 3, 1, 9, 3])
        == .wrong(vector: "x", on: "cpu", index: 4, found: 9, expected: 2))
    #expect(
      complaint(vector, [3, 1, 9], from: 5)
        == .wrong(vector: "x", on: "cpu", index: 7, found: 9, expected: 2))
    #expect(complaint(vector, []) == nil)
  }

  @Test func onlyWhereNoBitIsPromisedMayOneDiffer() {
    var vector = ExpectedVector(name: "x", pattern: [1])
    let off: [Float] = [1, 1 + 3 * Float(1).ulp]
    #expect(complaint(vector, off) != nil)
    vector.ulps = 3
    #expect(complaint(vector, off) == nil)
    vector.ulps = 2
    #expect(complaint(vector, off) != nil)
    // The error of a number that became small is that of what it was.
    vector = ExpectedVector(name: "x", pattern: [0x1p-20], ulps: 1, start: [1])
    #expect(complaint(vector, [0x1p-20 + Float(1).ulp]) == nil)
    #expect(complaint(ExpectedVector(name: "x", pattern: [1], ulps: 9), [.nan]) != nil)
  }

  @Test(arguments: ["sgd", "adam", "adadelta"])
  func whatStepsLeaveIsWhatTheReferenceSays(name: String) throws {
    let rule = try Rules.named(name).init()
    let inputs = BenchmarkInputs(count: 2000)
    let layout = try ParameterLayout(count: 2000)
    let bench = try HostWorkbench(
      .cpu, layout: layout, inputs: inputs,
      streams: PassStreams(read: 1, written: 3))
    let runner = try bench.makeRunner(rule, .resident)
    try runner.steps(3)
    func check(steps: Int) throws {
      try runner.check(
        Expectation(rule, inputs, steps: steps, isExact: true), on: "cpu")
    }
    try check(steps: 3)
    #expect(throws: BenchmarkError.self) { try check(steps: 2) }
    #expect(throws: BenchmarkError.self) { try check(steps: 4) }
  }

  @Test func whatPassesAndCopiesLeaveIsKnown() throws {
    let inputs = BenchmarkInputs(count: 300_000)
    let bench = try HostWorkbench(
      .cpu(threads: 3), layout: ParameterLayout(count: 300_000), inputs: inputs,
      streams: PassStreams(read: 3, written: 3))
    bench.copy(times: 1)
    // By the number of updated vectors, how often.
    func passes(_ times: [Int: Int]) -> [PassStreams: Int] {
      Dictionary(
        uniqueKeysWithValues: times.map { (PassStreams(read: 3 - $0 / 2, written: $0), $1) })
    }
    for (streams, times) in passes([0: 2, 1: 2, 3: 1, 2: 4]) {
      bench.pass([streams], times: times)
    }
    try bench.checkCeiling(
      CeilingExpectation(inputs, passes: passes([1: 2, 2: 4, 3: 1]), tiny: ceiling_tiny))
    for wrong in [[1: 2, 2: 4, 3: 2], [1: 2, 2: 3, 3: 2], [1: 3, 2: 3, 3: 1]] {
      #expect(throws: BenchmarkError.self) {
        try bench.checkCeiling(
          CeilingExpectation(inputs, passes: passes(wrong), tiny: ceiling_tiny))
      }
    }
  }

  @Test func valuesAreTameAndRepeat() {
    let inputs = BenchmarkInputs(count: 1 << 25)
    #expect(inputs.period == 65_521)
    for value in inputs.parameters + inputs.gradients {
      #expect((0x1p-10..<1).contains(abs(value)))
    }
    var memory = [Float](repeating: 0, count: 7)
    memory.withUnsafeMutableBufferPointer { $0.fill(repeating: [1, 2, 3], from: 2) }
    #expect(memory == [3, 1, 2, 3, 1, 2, 3])
  }

  @Test(arguments: [
    ("cpu (avx512, 2 threads)", 2), ("cpu (baseline, 1 thread)", 1), ("reference", 1),
    ("cpu (avx2, 128 threads)", 128),
  ])
  func anEnginesNameTellsItsThreads(name: String, threads: Int) {
    #expect(HostWorkbench.threads(of: name) == threads)
  }
}
