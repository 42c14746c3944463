import Descent
import DescentCeiling

/// Rules on their devices with all vectors, in one place in memory, and what was done to them.
final class Placement {
  /// A rule on a device in one memory case.
  private struct Subject {
    /// Its place among the benchmark's.
    let device: Int
    let rule: BenchmarkRule
    let runner: any StepRunner
    var stepsTaken = 0
    /// How many steps, and how many passes, make one sample.
    var repeats = (steps: 1, passes: 1)
  }

  private let benchmark: Benchmark
  private let inputs: BenchmarkInputs
  private let benches: [any Workbench]
  private var subjects: [Subject] = []
  /// By device.
  private var passesMade: [[PassStreams: Int]]
  /// By device.
  private var copyRepeats: [Int] = []

  /// Empty rows for what is measured, in the order in which ``measure(into:_:_:)`` fills them: by
  /// rule, then by device, then by case.
  private(set) var rows: [BenchmarkRow] = []

  /// Makes all vectors and warms everything up.
  init(_ benchmark: Benchmark, rules: [BenchmarkRule], _ progress: () -> Void) throws {
    self.benchmark = benchmark
    inputs = BenchmarkInputs(count: benchmark.layout.count)
    passesMade = benchmark.devices.map { _ in [:] }
    let (inputs, streams) = (inputs, rules.mostStreams)
    benches = try benchmark.devices.map { device in
      try benchmark.on(device) {
        try device.makeWorkbench(benchmark.layout, inputs, streams: streams)
      }
    }
    for rule in rules {
      for (index, device) in benchmark.devices.enumerated() {
        for memoryCase in device.cases where !benchmark.interruption.isRequested {
          let runner = try benchmark.on(device, rule) {
            let runner = try benches[index].makeRunner(rule.rule, memoryCase)
            subjects.append(Subject(device: index, rule: rule, runner: runner))
            try warmUp(subjects.count - 1)
            return runner
          }
          rows.append(BenchmarkRow(rule, device, memoryCase, runner.optimizer))
          progress()
        }
      }
    }
    copyRepeats = try zip(benchmark.devices, benches).map { device, bench in
      try benchmark.on(device) {
        try bench.copy(times: 1)
        return repeats(try seconds { try bench.copy(times: 1) })
      }
    }
  }

  /// Touches memory, finishes builds, and finds how often short work has to be repeated.
  private func warmUp(_ index: Int) throws {
    _ = try (step(index), pass(index))
    let times = try (0..<3).map { _ in (step: try step(index), pass: try pass(index)) }
    subjects[index].repeats = (
      repeats(times.map(\.step).min() ?? 1), repeats(times.map(\.pass).min() ?? 1)
    )
  }

  /// How many of what takes so many seconds make one sample.
  private func repeats(_ time: Double) -> Int {
    min(max(Int(benchmark.sampleTime / max(time, 1e-9)), 1), 1000)
  }

  /// Seconds of a step, over as many as make a sample.
  private func step(_ index: Int) throws -> Double {
    let times = subjects[index].repeats.steps
    subjects[index].stepsTaken += times
    return try seconds { try subjects[index].runner.steps(times) } / Double(times)
  }

  /// Seconds of the ceiling's passes over as many streams.
  private func pass(_ index: Int) throws -> Double {
    let (device, passes) = (subjects[index].device, subjects[index].rule.passes)
    let times = subjects[index].repeats.passes
    for streams in passes { passesMade[device][streams, default: 0] += times }
    return try seconds { try benches[device].pass(passes, times: times) } / Double(times)
  }

  /// Times all rounds, or as many as there are until an interruption.
  ///
  /// - Parameters:
  ///   - rows: as many as ``rows``.
  ///   - copies: one for each device.
  func measure(
    into rows: inout ArraySlice<BenchmarkRow>, copies: inout [BenchmarkRow], _ progress: () -> Void
  ) throws {
    for round in 0..<benchmark.rounds {
      for (offset, row) in rows.indices.enumerated() where offset < subjects.count {
        if benchmark.interruption.isRequested { return }
        let subject = subjects[offset]
        try benchmark.on(benchmark.devices[subject.device], subject.rule) {
          // By turns, since a thread that has just slept is favoured by some systems.
          if round.isMultiple(of: 2) {
            rows[row].samples.append(step: try step(offset), pass: try pass(offset))
          } else {
            let pass = try pass(offset)
            rows[row].samples.append(step: try step(offset), pass: pass)
          }
        }
        progress()
      }
      for (index, bench) in benches.enumerated() {
        let times = copyRepeats[index]
        try benchmark.on(benchmark.devices[index]) {
          copies[index].samples.append(
            try seconds { try bench.copy(times: times) } / Double(times))
        }
      }
    }
  }

  /// Throws ``BenchmarkFailure`` unless every vector holds what steps, passes and copies must have
  /// left.
  func check(_ progress: () -> Void) throws {
    var known: [String: Expectation] = [:]
    for subject in subjects {
      let device = benchmark.devices[subject.device]
      if subject.rule.isWhole {
        try benchmark.on(device, subject.rule) {
          try subject.runner.checkStep(inputs, isExact: device.isExact, on: device.name)
        }
        progress()
        continue
      }
      for group in benchmark.layout.groupNames {
        let key = "\(subject.rule.name) \(group) \(subject.stepsTaken) \(device.isExact)"
        let expectation =
          try known[key]
          ?? Expectation(
            subject.rule.rule, inputs, steps: subject.stepsTaken, isExact: device.isExact,
            group: group, settings: benchmark.layout.group(group) ?? ParameterGroup())
        known[key] = expectation
        try benchmark.on(device, subject.rule) {
          try subject.runner.check(expectation, on: device.name)
        }
      }
      progress()
    }
    for (index, bench) in benches.enumerated() {
      try benchmark.on(benchmark.devices[index]) {
        try bench.checkCeiling(
          CeilingExpectation(inputs, passes: passesMade[index], tiny: ceiling_tiny))
      }
    }
  }
}

extension Benchmark {
  /// Does something on a device; what it throws becomes a ``BenchmarkFailure``.
  fileprivate func on<Value>(
    _ device: BenchmarkDevice, _ rule: BenchmarkRule? = nil, _ body: () throws -> Value
  ) throws -> Value {
    do {
      return try body()
    } catch {
      throw BenchmarkFailure(
        device: device.name, rule: rule?.name, count: layout.elementCount, error: "\(error)")
    }
  }
}

extension BenchmarkRow {
  /// Without samples.
  fileprivate init(
    _ rule: BenchmarkRule, _ device: BenchmarkDevice, _ memoryCase: MemoryCase,
    _ optimizer: Optimizer
  ) {
    let count = optimizer.layout.elementCount
    self.init(
      rule: rule.name, device: device.name, count: count,
      tensors: optimizer.layout.tensors.count, memoryCase: memoryCase,
      bytesPerStep: rule.rule.bytesPerElement * count,
      launchesPerStep: optimizer.launches, passes: rule.passes)
  }
}

extension Optimizer {
  /// Kernels that the last step launched on a device.
  fileprivate var launches: Int {
    #if OpenCL
    launchesPerStep
    #else
    0
    #endif
  }
}
