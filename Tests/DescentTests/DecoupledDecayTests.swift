import DescentTestSupport
import Testing
import Verification

@testable import Descent

/// Decoupled decay in one subtraction, x ← x − (u + fl(ηλ)·x), against Double and against other
/// libraries.
@Suite struct DecoupledDecayTests {
  struct Setting: Sendable, CustomTestStringConvertible {
    let learningRate, weightDecay: Double
    /// The root mean square error relative to Double that this order of operations was measured to
    /// have.
    let measured: Double
    var testDescription: String { "η \(learningRate), λ \(weightDecay)" }
  }

  static let settings = [
    Setting(learningRate: 3e-4, weightDecay: 0.1, measured: 2.8e-6),
    Setting(learningRate: 1e-3, weightDecay: 0.01, measured: 3.7e-6),
    Setting(learningRate: 1e-5, weightDecay: 0.1, measured: 1.3e-6),
    Setting(learningRate: 1e-5, weightDecay: 0.01, measured: 1.4e-6),
    Setting(learningRate: 3e-6, weightDecay: 0.01, measured: 1.4e-6),
    // ηλ is 1e-8, and 1 − ηλ is 1 as a Float.
    Setting(learningRate: 1e-6, weightDecay: 0.01, measured: 1.4e-6),
  ]

  /// Multiplying by fl(1 − ηλ) first gives 2.8e-5 to 1.8e-4.
  @Test("AdamW after 3,000 steps is near its formula in Double", arguments: settings)
  func drift(_ setting: Setting) throws {
    let count = 256
    let rule = AdamW(learningRate: setting.learningRate, weightDecay: setting.weightDecay)
    var random = SeededGenerator(seed: 1)
    func vector() -> [Float] { (0..<count).map { _ in .random(in: -1...1, using: &random) } }
    let start = vector()
    var x = start
    var truth = x.map { Double($0) }
    var states = [[Double]](repeating: Array(repeating: 0, count: count), count: 2)
    let optimizer = try Optimizer(rule, layout: ParameterLayout(count: count), on: .cpu)
    for step in 1...3000 {
      let gradients = vector()
      try optimizer.step(&x, gradients: gradients)
      try rule.referenceUpdate(
        &truth, gradients: gradients.map { Double($0) }, states: &states, step: step)
    }
    var (error, size) = (0.0, 0.0)
    for (value, truth) in zip(x, truth) {
      error += (Double(value) - truth) * (Double(value) - truth)
      size += truth * truth
    }
    let relative = (error / size).squareRoot()
    #expect(relative < 2 * setting.measured)
    // It moved: the test cannot pass by standing still.
    #expect(zip(x, start).allSatisfy { $0 != $1 })
  }

  /// The worst distance from the library's Float64 at each checkpoint, of its Float32 and of ours.
  @Test(
    "AdamW is as near to Float64 as PyTorch's and Optax's own Float32, or within 1 ulp of the path",
    arguments: [
      "torch/default", "torch/strong", "torch/max-varying-lr", "optax/default", "optax/strong",
    ])
  func peers(_ name: String) throws {
    let goldens = try Trajectories.goldens.get()
    // Both libraries ran the strong setting; the nearer counts.
    let names = name.hasSuffix("strong") ? ["torch/strong", "optax/strong"] : [name]
    func item(_ name: String) throws -> GoldenCase {
      try #require(goldens.cases.first { $0.id == "adamw/\(name)/mixed37" })
    }
    let replay = try Replay(item(name), of: goldens)
    let ours = try replay.pathErrors(replay.inFloat(on: .cpu))
    let theirs = try names.map { name in
      let item = try item(name)
      let path = try Replay.Path<Float>(
        checkpoints: item.float32Parameters.map { try numbers($0).map { Float($0) } })
      return try Replay(item, of: goldens).pathErrors(path, denormals: false)
    }
    for (index, error) in ours.enumerated() {
      let nearer = theirs.map { $0[index].ulps }.min() ?? 0
      #expect(error.ulps <= nearer + 1, "step \(error.step)")
    }
  }
}
