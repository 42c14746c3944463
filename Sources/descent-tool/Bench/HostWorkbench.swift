import Descent
import DescentCeiling

/// An engine of this processor, and a pass in C over as many threads.
final class HostWorkbench: Workbench {
  private let choice: EngineChoice
  private let layout: ParameterLayout
  private let inputs: BenchmarkInputs
  private let gradients: HostVector
  /// Parameters and states, of which a pass updates the first.
  private let written: [HostVector]
  /// Vectors of zeros, which passes read beside the gradients.
  private let zeros: [HostVector]
  private let copied: HostVector
  private let pool: OpaquePointer

  /// - Parameter streams: the most of either kind that a pass is made over.
  init(
    _ choice: EngineChoice, layout: ParameterLayout, inputs: BenchmarkInputs, streams: PassStreams
  ) throws {
    let threads = try Self.threads(of: Optimizer(SGD(), layout: layout, on: choice).engineName)
    guard let pool = ceiling_pool_create(Int32(clamping: threads)) else {
      throw BenchmarkError.noThreads(threads)
    }
    do {
      gradients = try HostVector(count: layout.count, repeating: inputs.gradients)
      // As many elements as a step updates, without those between tensors.
      let count = layout.elementCount
      written = try (0..<streams.written).map {
        try HostVector(count: count, repeating: $0 == 0 ? inputs.parameters : [0])
      }
      zeros = try (1..<max(1, streams.read)).map { _ in
        try HostVector(count: count, repeating: [0])
      }
      copied = try HostVector(count: count, repeating: [0])
    } catch {
      ceiling_pool_destroy(pool)
      throw error
    }
    (self.choice, self.layout, self.inputs, self.pool) = (choice, layout, inputs, pool)
  }

  deinit { ceiling_pool_destroy(pool) }

  /// How many threads an engine works on, by its name: `cpu (avx512, 2 threads)`.
  static func threads(of engineName: String) -> Int {
    let words = engineName.split { " ()".contains($0) }
    guard let word = words.lastIndex(where: { $0.hasPrefix("thread") }), word > 0 else { return 1 }
    return Int(words[word - 1]) ?? 1
  }

  func makeRunner(_ rule: any UpdateRule, _ memoryCase: MemoryCase) throws -> any StepRunner {
    HostRunner(
      optimizer: try Optimizer(rule, layout: layout, on: choice),
      vector: try HostVector(count: layout.count, repeating: inputs.parameters),
      gradients: gradients)
  }

  func pass(_ passes: [PassStreams], times: Int) {
    let written = written.map(\.pointer)
    let read = ([gradients] + zeros).map { UnsafePointer($0.pointer) }
    for _ in 0..<times {
      for streams in passes {
        ceiling_pass(
          pool, written, Int32(streams.written), read, Int32(streams.read), layout.elementCount)
      }
    }
  }

  func copy(times: Int) {
    for _ in 0..<times {
      ceiling_copy(pool, copied.pointer, gradients.pointer, copied.memory.count)
    }
  }

  func checkCeiling(_ expectation: CeilingExpectation) throws {
    for (expected, vector) in zip(expectation.vectors, written) {
      try expected.check(vector.constant, from: 0, on: "cpu")
    }
    try ExpectedVector(name: "the copy", pattern: inputs.gradients)
      .check(copied.constant, from: 0, on: "cpu")
  }
}

/// A rule over host memory, by whichever engine.
final class HostRunner: StepRunner {
  let optimizer: Optimizer
  private let vector: HostVector
  private let gradients: HostVector

  init(optimizer: Optimizer, vector: HostVector, gradients: HostVector) {
    (self.optimizer, self.vector, self.gradients) = (optimizer, vector, gradients)
  }

  func steps(_ times: Int) throws {
    for _ in 0..<times {
      try optimizer.step(vector.memory, gradients: gradients.constant)
    }
  }

  func parameters() -> [Float] { Array(vector.memory) }
}
