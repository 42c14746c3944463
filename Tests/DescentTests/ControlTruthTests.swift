import DescentTestSupport
import Foundation
import Testing
import Verification

@testable import Descent

/// Clipping and loss scales as PyTorch, Optax and Keras do them: `clipping.json` and
/// `lossscale.json`.
@Suite struct ControlTruthTests {
  struct Clips: Decodable {
    let clips: [Clip]
  }

  struct Clip: Decodable {
    struct Settings: Decodable {
      let maximumNorm: Double?
      let normType: Double?
      let epsilon: Double?
      let limit: Double?
    }
    let id: String
    let kind: String
    let hyper: Settings
    let tensors: [String]
    let float64Norm: String?
    let float64Output: [String]

    /// As our option, if there is one.
    var clipping: Clipping? {
      switch kind {
      case "globalNorm" where hyper.normType == 2:
        .globalNorm(hyper.maximumNorm ?? 0, epsilon: hyper.epsilon ?? 0)
      case "tensorNorm": .tensorNorm(hyper.maximumNorm ?? 0, epsilon: hyper.epsilon ?? 0)
      case "value": .value(hyper.limit ?? 0)
      default: nil
      }
    }
  }

  private static func numbers(_ text: String) -> [Double] {
    text.split(separator: " ").map { Double($0) ?? .nan }
  }

  private static func decode<T: Decodable>(_ type: T.Type, _ file: String) throws -> T {
    let url = URL(filePath: goldensFolder).appending(path: file)
    return try JSONDecoder().decode(type, from: Data(contentsOf: url))
  }

  @Test("gradients are clipped as others clip them")
  func clipping() throws {
    var compared = 0
    for clip in try Self.decode(Clips.self, "clipping.json").clips {
      guard let clipping = clip.clipping else { continue }
      let tensors = clip.tensors.map(Self.numbers)
      var layout = ParameterLayout()
      for (index, tensor) in tensors.enumerated() {
        try layout.append("\(index)", shape: [tensor.count])
      }
      for choice in try TestEngines.cut() {
        // With a rate of 1 and parameters of 0, what is left is the clipped gradient, negative.
        let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout, on: choice)
        optimizer.clipping = clipping
        var x = [Float](repeating: 0, count: layout.count)
        let g = tensors.joined().map { Float($0) }
        try optimizer.step(&x, gradients: g)
        if clipping.isNorm, !g.allSatisfy(\.isFinite) {
          // Others make NaN or zeros of such a gradient; here it is skipped.
          #expect(try optimizer.skippedStepCount == 1 && x.allSatisfy { $0 == 0 }, "\(clip.id)")
          continue
        }
        let expected = clip.float64Output.flatMap(Self.numbers)
        for (value, truth) in zip(x, expected) {
          let isEqual =
            abs(Double(-value) - truth) <= 1e-6 * abs(truth) + 1e-44 || (value.isNaN && truth.isNaN)
          #expect(isEqual, "\(clip.id): \(-value) is not \(truth)")
        }
        if clipping.isNorm, let text = clip.float64Norm, let norm = Double(text) {
          if case .globalNorm = clipping {
            let own = try #require(try optimizer.lastNorm)
            #expect(abs(own - norm) <= 1e-6 * norm, "\(clip.id)")
          }
        }
        compared += 1
      }
    }
    #expect(compared >= 15)
  }

  struct Runs: Decodable {
    let runs: [Run]
  }

  struct Run: Decodable {
    let id: String
    let initScale: Double
    let growthFactor: Double
    let backoffFactor: Double
    let growthInterval: Int
    let initial: String
    let scaledGradients: [String]
    let scaleAfter: [Double]
    let trackerAfter: [Int]
    let skipped: [Bool]
    let float64Parameters: [String]
  }

  @Test("a loss scale follows PyTorch's GradScaler, step for step")
  func lossScale() throws {
    for run in try Self.decode(Runs.self, "lossscale.json").runs {
      let rule: any UpdateRule =
        run.id.hasSuffix("momentum")
        ? Momentum(learningRate: 0.1, momentum: 0.9) : Adam(learningRate: 0.01)
      for choice in try TestEngines.cut() {
        var x = Self.numbers(run.initial).map { Float($0) }
        let optimizer = try Optimizer(rule, layout: ParameterLayout(count: x.count), on: choice)
        try optimizer.setLossScale(
          LossScale(
            scale: run.initScale, growthFactor: run.growthFactor,
            backoffFactor: run.backoffFactor, growthInterval: run.growthInterval))
        for (step, text) in run.scaledGradients.enumerated() {
          let before = try optimizer.skippedStepCount
          try optimizer.step(&x, gradients: Self.numbers(text).map { Float($0) })
          let scale = try #require(try optimizer.lossScale)
          #expect(scale.scale == run.scaleAfter[step], "\(run.id), step \(step)")
          #expect(scale.stepsSinceChange == run.trackerAfter[step], "\(run.id), step \(step)")
          #expect(try (optimizer.skippedStepCount > before) == run.skipped[step])
          for (value, truth) in zip(x, Self.numbers(run.float64Parameters[step])) {
            #expect(abs(Double(value) - truth) <= 2e-6, "\(run.id), step \(step)")
          }
        }
      }
    }
  }
}
