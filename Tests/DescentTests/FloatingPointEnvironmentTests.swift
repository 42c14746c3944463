import DescentKernels
import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// A library built with `-ffast-math` switches a process to flushing denormals, and a caller may
/// round upwards: neither may reach a result, and both must be back afterwards.
@Suite struct FloatingPointEnvironmentTests {
  #if arch(x86_64)
  /// Flush to zero, denormals are zero, round up, all exceptions masked.
  static let hostile: UInt64 = 0x1f80 | 0x8040 | 0x4000
  #else
  /// Flush to zero, round up.
  static let hostile: UInt64 = 1 << 24 | 1 << 22
  #endif

  /// Runs `body` in the hostile environment and says whether it was still there afterwards.
  private func underHostileSettings<Result>(
    _ body: () throws -> Result
  ) rethrows -> (result: Result, restored: Bool) {
    let before = descent_environment_default()
    descent_environment_restore(Self.hostile)
    let result: Result
    do {
      result = try body()
    } catch {
      descent_environment_restore(before)
      throw error
    }
    let after = descent_environment_default()
    descent_environment_restore(before)
    // The sticky exception flags of x86 may differ.
    return (result, after & ~0x3f == Self.hostile & ~0x3f)
  }

  @Test("the hostile settings are hostile")
  func hostileSettings() {
    let (sum, _) = underHostileSettings { Self.sum(1, 1e-10) }
    #expect(sum > Self.sum(1, 1e-10))
  }

  @inline(never) static func sum(_ a: Float, _ b: Float) -> Float { a + b }

  static var choices: [(String, EngineChoice)] {
    var choices: [(String, EngineChoice)] = [
      ("reference", .reference), ("1 thread", .cpu(threads: 1)),
      ("2 threads", .cpu(threads: 2, instructions: nil, block: 64)),
    ]
    #if OpenCL
    choices += ((try? TestDevices.queues.get()) ?? []).map { ("\($0.device)", .openCL($0)) }
    #endif
    return choices
  }

  @Test("steps give the same bits, and restore", arguments: AgreementTests.variants)
  func steps(_ variant: RuleVariant) throws {
    let vectors = Agreement(
      variant: variant, vectors: Agreement.Vectors(count: Agreement.pinnedCount)
    ).vectors
    for (name, choice) in Self.choices {
      var parameters = vectors.parameters
      let (outcome, restored) = try underHostileSettings {
        let optimizer = try Optimizer(
          variant.rule, layout: ParameterLayout(count: vectors.count, for: variant.rule),
          on: choice)
        var outcome = Agreement.Outcome()
        for (index, gradients) in vectors.gradients.enumerated() {
          try optimizer.step(&parameters, gradients: gradients)
          guard index == 0 || index == vectors.gradients.count - 1 else { continue }
          outcome.vectors.append(parameters)
          for state in optimizer.stateNames {
            outcome.vectors.append(try optimizer.state(state))
          }
        }
        return outcome
      }
      #expect(outcome.digest.value == variant.digest, "\(variant) on \(name)")
      #expect(restored, "\(variant) on \(name)")
    }
  }

  @Test("the stateless update gives the same bits, and restores")
  func stateless() throws {
    let vectors = Agreement.Vectors(count: 257)
    func run() throws -> [Float] {
      let rule = Adam(learningRate: 0.01)
      var (x, m, v) = (vectors.parameters, [Float](repeating: 0, count: 257), [Float]())
      v = m
      for (index, gradients) in vectors.gradients.enumerated() {
        try x.withUnsafeMutableBufferPointer { x in
          try m.withUnsafeMutableBufferPointer { m in
            try v.withUnsafeMutableBufferPointer { v in
              try gradients.withUnsafeBufferPointer { g in
                try rule.update(parameters: x, gradients: g, states: [m, v], step: index + 1)
              }
            }
          }
        }
      }
      return x + m + v
    }
    let expected = try run()
    let (hostile, restored) = try underHostileSettings { try run() }
    #expect(Difference(expected, hostile) == Difference())
    #expect(restored)
  }

  @Test("so do the reference in any type, the iterate and a reset")
  func others() throws {
    let start: [Float] = [1, 1e-30, 3]
    func run() throws -> [Float] {
      let rule = Nesterov(learningRate: 0.3, momentum: 0.7)
      var (x, states) = (start, [[Float]](repeating: [1e-38, 0.1, 0.2], count: 1))
      try rule.referenceUpdate(&x, gradients: [0.1, 1e-36, 0.7], states: &states, step: 1)
      let decayed = SGD(learningRate: 0.3, weightDecay: 0.1, decoupled: true)
      var (y, none) = (start, [[Float]]())
      try decayed.referenceUpdate(&y, gradients: [0, 0, 0], states: &none, step: 1)

      let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 3), on: .cpu)
      try optimizer.restore(states: ["b": [1e-38, 0.1, 0.3]], stepCount: 1)
      var (z, iterate) = (start, start)
      try optimizer.writeIterate(from: z, into: &iterate)
      try optimizer.settle(&z)
      let sums = try Optimizer(
        AdaGrad(initialAccumulator: 0.1), layout: ParameterLayout(count: 1), on: .cpu)
      try sums.reset()
      return x + states[0] + y + iterate + z + (try sums.state("sum"))
    }
    let expected = try run()
    let (hostile, restored) = try underHostileSettings { try run() }
    #expect(Difference(expected, hostile) == Difference())
    #expect(restored)
  }

  @Test("a failure within the default environment restores the caller's")
  func failureRestores() throws {
    let hostile = Self.hostile
    let before = descent_environment_default()
    descent_environment_restore(hostile)
    let optimizer = try? Optimizer(SGD(), layout: ParameterLayout(count: 1), on: .cpu(threads: 0))
    let after = descent_environment_default()
    descent_environment_restore(before)
    #expect(optimizer == nil && after & ~0x3f == hostile & ~0x3f)
  }

  @Test(
    "the reference update is free of the caller's environment", arguments: AgreementTests.stateless)
  func referenceEnvironment(_ variant: RuleVariant) throws {
    let vectors = Agreement.Vectors(count: 64)
    func run() throws -> [Float] {
      var x = vectors.parameters
      var states = variant.rule.stateNames.map {
        variant.rule.initialState($0, parameters: vectors.parameters)
      }
      for (index, g) in vectors.gradients.enumerated() {
        try variant.rule.referenceUpdate(
          &x, gradients: g, states: &states, step: index + 1, gradientScale: 1 / 3.0)
      }
      return x
    }
    #expect(Difference(try run(), try underHostileSettings(run).result) == Difference())
  }

  @Test("an optimizer born under hostile settings has the states of any other")
  func initialStates() throws {
    let (optimizer, _) = try underHostileSettings {
      try Optimizer(AdaGrad(initialAccumulator: 0.7), layout: ParameterLayout(count: 1), on: .cpu)
    }
    #expect(try optimizer.state("sum") == [0.7])
  }
}
