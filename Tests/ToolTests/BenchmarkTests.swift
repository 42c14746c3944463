import Descent
import Testing

@testable import descent_tool

#if OpenCL
import OpenCLHost
#endif

@Suite struct BenchmarkTests {
  private static let rules = ["sgd", "adam"].compactMap { name in
    (try? Rules.named(name)).map { BenchmarkRule(name: name, rule: $0.init()) }
  }

  /// A small measurement on every device, round trips among them.
  private func benchmark(
    _ layout: ParameterLayout, allocations: Int? = nil
  ) throws -> Benchmark {
    let devices = try SelectedEngine.all.filter { $0.name != "reference" }.map {
      try BenchmarkDevice($0, allCases: true, largestAllocation: allocations, trialCount: 1000)
    }
    return Benchmark(
      rules: Self.rules, devices: devices, layout: layout, rounds: 3, placements: 2,
      limits: MemoryLimits(host: 1 << 40, devices: [:]), sampleTime: 0)
  }

  @Test("every rule is timed on every device in every case, and checked")
  func everything() throws {
    let benchmark = try benchmark(ParameterLayout(count: 5000))
    var calls = 0
    let rows = try benchmark.run { calls += 1 }
    #expect(calls == benchmark.progressTotal)
    let copies = rows.prefix { $0.passes == nil }
    #expect(copies.map(\.device) == benchmark.devices.map(\.name))
    let cases = benchmark.devices.flatMap { device in
      device.cases.map { "\(device.name) \($0)" }
    }
    #expect(
      rows.dropFirst(copies.count).map { "\($0.rule) \($0.device) \($0.memoryCase)" }
        == Self.rules.flatMap { rule in cases.map { "\(rule.name) \($0)" } })
    for row in rows {
      #expect(row.samples.count == 6)
      #expect(row.samples.minimum > 0)
      #expect(row.count == 5000)
      if row.passes != nil {
        #expect((row.samples.fractionOfCeiling ?? 0) > 0)
        #expect(row.launchesPerStep == (row.device == "cpu" ? 0 : 1))
      }
    }
  }

  @Test("a model with gaps and groups is checked group by group")
  func groups() throws {
    var layout = try ParameterLayout(alignment: 512)
    for index in 0..<7 {
      try layout.append(
        "tensor \(index)", shape: [100 * index + 1],
        group: index.isMultiple(of: 2) ? ParameterGroup.defaultName : "other")
    }
    try layout.setGroup("other", to: ParameterGroup(learningRateFactor: 0.25))
    let rows = try benchmark(layout).run()
    #expect(rows.allSatisfy { $0.count == 2107 })
    #expect(rows.filter { $0.passes != nil }.allSatisfy { $0.tensors == 7 })
  }

  @Test("a rule of several passes is timed and checked, too")
  func severalPasses() throws {
    var layout = ParameterLayout()
    for (index, shape) in [[200, 300], [7], [0, 4], [90, 5]].enumerated() {
      try layout.append("tensor \(index)", shape: shape)
    }
    var benchmark = try benchmark(layout)
    benchmark.rules = try ["lamb", "adafactor"].map {
      BenchmarkRule(name: $0, rule: try Rules.named($0).init())
    }
    let rows = try benchmark.run()
    let steps = rows.filter { $0.passes != nil }
    #expect(Set(steps.map(\.rule)) == ["lamb", "adafactor"])
    #expect(steps.allSatisfy { $0.samples.count == 6 && ($0.samples.fractionOfCeiling ?? 0) > 0 })
    // LAMB reads x and g and updates m and v; then it reads m and v and updates x.
    let lamb = [PassStreams(read: 2, written: 2), PassStreams(read: 2, written: 1)]
    #expect(steps.allSatisfy { $0.rule != "lamb" || $0.passes == lamb })
    #expect(steps.allSatisfy { $0.rule != "lamb" || $0.bytesPerStep == 40 * $0.count })
  }

  @Test("what its last step leaves is compared with the reference")
  func lastStep() throws {
    /// Takes steps of another length than its rule's.
    final class Wrong: StepRunner {
      let optimizer: Optimizer
      private var vector: [Float]
      private let inputs: BenchmarkInputs
      let factor: Float
      init(_ inputs: BenchmarkInputs, factor: Float) throws {
        optimizer = try Optimizer(LAMB(), layout: ParameterLayout(count: inputs.period), on: .cpu)
        (vector, self.inputs, self.factor) = (inputs.parameters, inputs, factor)
      }
      func steps(_ times: Int) throws {
        for _ in 0..<times {
          try optimizer.step(&vector, gradients: inputs.gradients)
          vector[7] *= factor
        }
      }
      func parameters() -> [Float] { vector }
    }
    let inputs = BenchmarkInputs(count: 1000)
    try Wrong(inputs, factor: 1).checkStep(inputs, isExact: true, on: "cpu")
    let wrong = try Wrong(inputs, factor: 1.0001)
    #expect(throws: BenchmarkError.self) {
      try wrong.checkStep(inputs, isExact: true, on: "cpu")
    }
  }

  #if OpenCL
  @Test(
    "a vector longer than an allocation is measured in pieces", .enabled(if: !Device.all.isEmpty))
  func segments() throws {
    let rows = try benchmark(ParameterLayout(count: 100_000), allocations: 1 << 18).run()
    for row in rows where row.device != "cpu" && row.passes != nil {
      #expect(row.launchesPerStep == 2)
    }
  }
  #endif

  @Test("an interruption leaves what was measured until then")
  func interruption() throws {
    let benchmark = try benchmark(ParameterLayout(count: 100))
    let subjects = Self.rules.count * benchmark.devices.reduce(0) { $0 + $1.cases.count }
    var calls = 0
    let rows = try benchmark.run {
      calls += 1
      // The warm-up, a round, and one sample of the next.
      if calls == 2 * subjects + 1 { benchmark.interruption.request() }
    }
    let steps = rows.filter { $0.passes != nil }
    #expect(steps.map(\.samples.count) == [2] + Array(repeating: 1, count: subjects - 1))
    benchmark.interruption.request()
    #expect(try benchmark.run().isEmpty)
  }

  @Test("rules that do not fit together are measured one after the other")
  func batches() throws {
    var benchmark = try benchmark(ParameterLayout(count: 1 << 20))
    benchmark.devices = benchmark.devices.filter { $0.name == "cpu" }
    // Of vectors of 4 MiB, sgd takes 5, adam 9, both together 10.
    func batches(vectors: Int) throws -> [[String]] {
      benchmark.limits = MemoryLimits(host: vectors << 22, devices: [:])
      return try benchmark.batches().map { $0.map(\.name) }
    }
    #expect(try batches(vectors: 10) == [["sgd", "adam"]])
    #expect(try batches(vectors: 9) == [["sgd"], ["adam"]])
    #expect(
      throws: BenchmarkError.memory(
        "adam at 1048576 elements needs 0.0 GiB of this machine's memory, where 0.0 GiB can be had; "
          + "930000 elements would fit")
    ) {
      try batches(vectors: 8)
    }
  }

  @Test func memoryOfADeviceIsCountedApart() {
    let own = MemoryNeed(
      count: 1, states: [0, 2], ceiling: PassStreams(read: 1, written: 3),
      cases: MemoryCase.allCases, sharesHostMemory: false)
    // Shared: gradients, copy, the ceiling's three; each case: two parameters and two states;
    // pageable: two more.
    #expect(own.device == 4 * (5 + 3 * 4 + 2))
    // One to check with; of pinned and pageable, gradients and two parameters each.
    #expect(own.host == 4 * (1 + 2 * 3))
    let shared = MemoryNeed(
      count: 1, states: [0, 2], ceiling: PassStreams(read: 1, written: 3), cases: [.resident],
      sharesHostMemory: true)
    #expect(
      shared
        == MemoryNeed(
          count: 1, states: [0, 2], ceiling: PassStreams(read: 1, written: 3), cases: [.resident],
          sharesHostMemory: true))
    #expect(shared.device == 0)
    #expect(shared.host == 4 * (1 + 5 + 4))
  }

  @Test func limitsReadTheSystemsTables() {
    let text = "MemTotal:       16 kB\nMemAvailable:      7 kB\n"
    #expect(MemoryLimits.number(after: "MemAvailable:", in: text) == 7)
    #expect(MemoryLimits.number(after: "Swap:", in: text) == nil)
    #expect(MemoryLimits(devices: []).host > 0)
  }
}
