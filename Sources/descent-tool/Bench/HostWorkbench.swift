import Descent
import DescentCeiling

/// An engine of this processor, and a pass in C over as many threads.
final class HostWorkbench: Workbench {
  private let choice: EngineChoice
  private let layout: ParameterLayout
  private let inputs: BenchmarkInputs
  private let gradients: HostVector
  private let ceiling: HostVector
  private let states: [HostVector]
  private let copied: HostVector
  private let pool: OpaquePointer

  /// - Parameter states: the most that a pass is made over.
  init(
    _ choice: EngineChoice, layout: ParameterLayout, inputs: BenchmarkInputs, states: Int
  ) throws {
    let threads = try Self.threads(of: Optimizer(SGD(), layout: layout, on: choice).engineName)
    guard let pool = ceiling_pool_create(Int32(clamping: threads)) else {
      throw BenchmarkError.noThreads(threads)
    }
    do {
      gradients = try HostVector(count: layout.count, repeating: inputs.gradients)
      // As many elements as a step updates, without those between tensors.
      let count = layout.elementCount
      ceiling = try HostVector(count: count, repeating: inputs.parameters)
      self.states = try (0..<states).map { _ in try HostVector(count: count, repeating: [0]) }
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

  func pass(states count: Int, times: Int) {
    let pointers: [UnsafeMutablePointer<Float>?] = states.prefix(count).map(\.pointer)
    for _ in 0..<times {
      ceiling_pass(
        pool, ceiling.pointer, gradients.pointer, pointers, Int32(count), ceiling.memory.count)
    }
  }

  func copy(times: Int) {
    for _ in 0..<times {
      ceiling_copy(pool, copied.pointer, gradients.pointer, copied.memory.count)
    }
  }

  func checkCeiling(_ expectation: CeilingExpectation) throws {
    try expectation.parameters.check(ceiling.constant, from: 0, on: "cpu")
    for (expected, state) in zip(expectation.states, states) {
      try expected.check(state.constant, from: 0, on: "cpu")
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
