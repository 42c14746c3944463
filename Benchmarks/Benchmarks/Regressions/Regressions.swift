import Benchmark
import Descent

/// All benchmarks, under names that stay: a baseline finds them by name. Names have no characters
/// that a regular expression takes for its own, so `--filter "adam cpu.*"` is as simple as it
/// looks.
let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.wallClock, .throughput], maxDuration: .milliseconds(500))
  for engine in TimedEngine.all {
    timeRules(on: engine)
    timeOverhead(on: engine)
    timeNorms(on: engine)
    timeManyTensors(on: engine)
  }
  timeLayouts()
}

/// Every rule of the catalogue: in the cache of one processor, in that of all, in memory.
func timeRules(on engine: TimedEngine) {
  for rule in Rules.all {
    for count in [1 << 12, 1 << 18, 1 << 23] {
      time("\(rule.name) \(engine.name) \(count)", times: count < 1 << 18 ? .kilo : .one) {
        try engine.steps(rule.init(), ParameterLayout(count: count))
      }
    }
  }
}

/// What a step costs beside its elements.
func timeOverhead(on engine: TimedEngine) {
  for count in [0, 1000] {
    time("step overhead \(engine.name) \(count)", times: .kilo) {
      try engine.steps(Adam(), ParameterLayout(count: count))
    }
  }
  guard let device = engine.device else { return }
  // The host's time alone: the wait for the device is not measured.
  Benchmark(
    "enqueue a step \(engine.name) 1000", configuration: .init(scalingFactor: .kilo),
    closure: { (benchmark: Benchmark, steps: DeviceSteps) in
      benchmark.startMeasurement()
      for _ in benchmark.scaledIterations { try steps.enqueue() }
      benchmark.stopMeasurement()
      try steps.finish()
    }, setup: { try DeviceSteps(Adam(), ParameterLayout(count: 1000), on: device) })
}

/// The gradient's norm, and what follows from it, beside the same step without: `adam ENGINE
/// COUNT`.
func timeNorms(on engine: TimedEngine) {
  for count in [1 << 12, 1 << 18, 1 << 23] {
    time("adam clipped \(engine.name) \(count)", times: count < 1 << 18 ? .kilo : .one) {
      let steps = try engine.steps(Adam(), ParameterLayout(count: count))
      steps.optimizer.clipping = .globalNorm(1)
      return steps
    }
  }
}

/// 2,000 tensors of 1,000 elements: a model whose launches would cost more than its elements.
func timeManyTensors(on engine: TimedEngine) {
  time("2000 tensors \(engine.name)") { try engine.steps(Adam(), manyTensors(groups: 1)) }
  time("2000 tensors two groups \(engine.name)") {
    try engine.steps(Adam(), manyTensors(groups: 2))
  }
  for (name, clipping) in [
    ("global norm", Clipping.globalNorm(1)), ("tensor norm", Clipping.tensorNorm(1)),
  ] {
    time("2000 tensors \(name) \(engine.name)") {
      let steps = try engine.steps(Adam(), manyTensors(groups: 1))
      steps.optimizer.clipping = clipping
      return steps
    }
  }
}

/// What is made once for a model.
func timeLayouts() {
  Benchmark("layout of 2000 tensors") { benchmark in
    for _ in benchmark.scaledIterations { blackHole(try manyTensors(groups: 2)) }
  }
  // With the first step, which plans for all others.
  Benchmark("optimizer and first step cpu 2000 tensors") { benchmark in
    let layout = try manyTensors(groups: 2)
    let vectors = HostVectors(count: layout.count)
    benchmark.startMeasurement()
    for _ in benchmark.scaledIterations {
      try vectors.step(Optimizer(Adam(), layout: layout, on: .cpu))
    }
    benchmark.stopMeasurement()
  }
}

/// 2,000 tensors of 1,000 elements, dealt out to the groups by turns.
func manyTensors(groups: Int) throws -> ParameterLayout {
  var layout = ParameterLayout()
  for index in 0..<2000 {
    try layout.append("tensor \(index)", shape: [10, 100], group: "group \(index % groups)")
  }
  for group in 0..<groups {
    try layout.setGroup(
      "group \(group)", to: ParameterGroup(learningRateFactor: 1 / Double(group + 1)))
  }
  return layout
}

/// A benchmark of steps, so many in each sample.
private func time(
  _ name: String, times: BenchmarkScalingFactor = .one,
  _ make: @escaping () throws -> any TimedSteps
) {
  Benchmark(
    name, configuration: .init(scalingFactor: times),
    closure: { (benchmark: Benchmark, steps: any TimedSteps) in
      try steps.take(benchmark.scaledIterations.count)
    }, setup: { try make() })
}
