import Descent

/// One measurement after the other: a single one, or those of a sweep.
struct BenchmarkPlan {
  let rules: [BenchmarkRule]
  let devices: [BenchmarkDevice]
  let rounds: Int
  let placements: Int
  let interruption = Interruption()
  var limits: MemoryLimits
  private(set) var benchmarks: [Benchmark] = []
  /// Notes for the reader, printed before the numbers.
  private(set) var notes: [String] = []
  private var subject = ""
  private var isSweep = false

  init(rules: [BenchmarkRule], devices: [BenchmarkDevice], rounds: Int, placements: Int) {
    (self.rules, self.devices) = (rules, devices)
    (self.rounds, self.placements) = (rounds, placements)
    limits = MemoryLimits(devices: devices)
  }

  /// One tensor of `count` elements.
  mutating func add(count: Int) throws {
    subject = "\(count) elements"
    add(try ParameterLayout(count: count))
  }

  /// A model's tensors.
  ///
  /// - Parameter name: what the report calls it.
  mutating func add(_ layout: ParameterLayout, named name: String) {
    subject = "\(name), \(layout.tensors.count) tensors of \(layout.elementCount) elements together"
    add(layout)
  }

  /// All powers of two from 2¹⁰ to 2²⁶ elements that there is memory for.
  mutating func addSweep() throws {
    subject = "2¹⁰ to 2²⁶ elements"
    isSweep = true
    for exponent in 10...26 {
      add(try ParameterLayout(count: 1 << exponent))
      benchmarks[benchmarks.count - 1].sampleTime = 5e-4
      if (try? benchmarks[benchmarks.count - 1].batches()) == nil {
        benchmarks.removeLast()
        notes.append("\(1 << exponent) elements and more do not fit in memory.")
        return
      }
    }
  }

  private mutating func add(_ layout: ParameterLayout) {
    benchmarks.append(
      Benchmark(
        rules: rules, devices: devices, layout: layout, rounds: rounds, placements: placements,
        limits: limits, interruption: interruption))
  }

  /// Throws ``BenchmarkError/memory(_:)`` for vectors that do not fit.
  func check() throws {
    for benchmark in benchmarks { _ = try benchmark.batches() }
  }

  var progressTotal: Int { benchmarks.reduce(0) { $0 + $1.progressTotal } }

  /// Measures one after the other, until interrupted; a device that failed takes no part in what
  /// follows.
  func run(
    progress: () -> Void, failed: (BenchmarkFailure) -> Void
  ) throws -> [BenchmarkRow] {
    var failing: Set<String> = []
    var rows: [BenchmarkRow] = []
    for var benchmark in benchmarks where !interruption.isRequested {
      benchmark.devices.removeAll { failing.contains($0.name) }
      rows += try benchmark.run(progress: progress) {
        failing.insert($0.device)
        failed($0)
      }
    }
    return rows
  }

  func report(_ rows: [BenchmarkRow], _ failures: [BenchmarkFailure] = []) -> BenchmarkReport {
    BenchmarkReport(
      rows: rows, failures: failures,
      machines: devices.map {
        .init(name: $0.name, description: $0.description, driver: $0.driver)
      },
      subject: subject, notes: notes, advice: advice, isSweep: isSweep)
  }

  /// Which case is whose.
  private var advice: [String] {
    devices.flatMap { device -> [String] in
      if device.name == "cpu" || device.name == "reference" { return [] }
      if device.sharesHostMemory && device.cases == [.resident] {
        return [
          "\(device.name) shares this machine's memory, so nothing is carried to and fro: "
            + "resident is everybody's case."
        ]
      }
      return device.cases.map { "\(device.name): \($0.advice)" }
    }
  }
}
