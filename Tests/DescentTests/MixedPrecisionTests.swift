import DescentTestSupport
import Foundation
import Testing
import Verification

@testable import Descent

/// A 16-bit training run of 500 steps, against PyTorch's `GradScaler` and optimizers written out in
/// Float64.
@Suite struct MixedPrecisionTests {
  /// `torch.amp.GradScaler`, word for word: `unscale_`, `step` and `update`.
  private struct GradScaler {
    var scale: Double
    let growthFactor: Double
    let backoffFactor: Double
    let growthInterval: Int
    var growthTracker = 0

    /// The gradient without the scale, and whether an infinity or a NaN was found.
    func unscaled(_ gradients: [Double]) -> (gradients: [Double], foundInf: Bool) {
      let inverse = 1 / scale
      let result = gradients.map { $0 * inverse }
      return (result, !result.allSatisfy(\.isFinite))
    }

    mutating func update(foundInf: Bool) {
      if foundInf {
        scale *= backoffFactor
        growthTracker = 0
        return
      }
      growthTracker += 1
      if growthTracker == growthInterval {
        if Float(scale * growthFactor).isFinite { scale *= growthFactor }
        growthTracker = 0
      }
    }
  }

  /// `torch.optim.AdamW` and, with `momentum`, `torch.optim.SGD`, in Float64.
  private struct Oracle {
    let rule: any UpdateRule
    var x: [Double]
    var first: [Double]
    var second: [Double]
    var steps = 0

    mutating func step(_ g: [Double]) {
      steps += 1
      for i in x.indices {
        if let rule = rule as? AdamW {
          x[i] *= 1 - rule.learningRate * rule.weightDecay
          first[i] = rule.beta1 * first[i] + (1 - rule.beta1) * g[i]
          second[i] = rule.beta2 * second[i] + (1 - rule.beta2) * g[i] * g[i]
          let correction1 = 1 - pow(rule.beta1, Double(steps))
          let correction2 = 1 - pow(rule.beta2, Double(steps))
          let denominator = second[i].squareRoot() / correction2.squareRoot() + rule.epsilon
          x[i] -= rule.learningRate / correction1 * first[i] / denominator
        } else if let rule = rule as? Momentum {
          first[i] = steps == 1 ? g[i] : rule.momentum * first[i] + g[i]
          x[i] -= rule.learningRate * first[i]
        }
      }
    }
  }

  private static let tensors = [3, 100, 17]

  /// The output of a backward pass in 16 bits: the gradient times the loss scale, rounded to
  /// Float16, which overflows above 65,504. Every fortieth step or so also has an infinity or a
  /// NaN.
  private static func scaledGradients(_ step: Int, _ scale: Double) -> [Float] {
    let count = tensors.reduce(0, +)
    return (0..<count).map { i in
      let random = PinnedSteps.mix(UInt64(step) << 32 | UInt64(i))
      let size = Double(random >> 11) * 0x1p-53
      let sign: Double = random & 1 == 0 ? 1 : -1
      if PinnedSteps.mix(UInt64(step)) % 40 == 0 && i == step % count {
        return step.isMultiple(of: 2) ? .infinity : .nan
      }
      return Float(Float16(sign * (0.05 + size) * scale))
    }
  }

  @Test(
    "500 steps with infinities follow GradScaler, step for step, clipped and not",
    arguments: [nil, Clipping.globalNorm(1, epsilon: 1e-6)])
  func scenario(clipping: Clipping?) throws {
    var layout = ParameterLayout()
    for (index, size) in Self.tensors.enumerated() { try layout.append("\(index)", shape: [size]) }
    for rule: any UpdateRule in [
      AdamW(learningRate: 1e-3, weightDecay: 0.1), Momentum(learningRate: 1e-3, momentum: 0.9),
    ] {
      for choice in try TestEngines.cut() + [.reference] {
        let optimizer = try Optimizer(rule, layout: layout, on: choice)
        optimizer.clipping = clipping
        try optimizer.setLossScale(LossScale(scale: 1024, growthInterval: 12))
        var scaler = GradScaler(
          scale: 1024, growthFactor: 2, backoffFactor: 0.5, growthInterval: 12)
        var x = (0..<layout.count).map { Float($0 % 7) / 4 - 0.75 }
        var oracle = Oracle(
          rule: rule, x: x.map(Double.init), first: x.map { _ in 0 }, second: x.map { _ in 0 })
        var peaks = x.map(\.magnitude)
        var (skips, growths) = (0, 0)
        for step in 1...500 {
          let scale = try #require(try optimizer.lossScale)
          #expect(scale.scale == scaler.scale && scale.stepsSinceChange == scaler.growthTracker)
          let scaled = Self.scaledGradients(step, scaler.scale)
          try optimizer.step(&x, gradients: scaled)

          var (gradients, foundInf) = scaler.unscaled(scaled.map(Double.init))
          if !foundInf {
            if case .globalNorm(let most, let epsilon) = clipping {
              let norm = gradients.reduce(0) { $0 + $1 * $1 }.squareRoot()
              let coefficient = min(1, most / (norm + epsilon))
              gradients = gradients.map { $0 * coefficient }
            }
            oracle.step(gradients)
          }
          let before = scaler.scale
          scaler.update(foundInf: foundInf)
          skips += foundInf ? 1 : 0
          growths += scaler.scale > before ? 1 : 0
          try #require(try optimizer.skippedStepCount == skips, "step \(step) on \(choice)")
          try #require(try optimizer.stepCount == oracle.steps)
          for i in x.indices {
            peaks[i] = max(peaks[i], x[i].magnitude)
            let bound = Double(2 * oracle.steps + 8) * Double(peaks[i].ulp)
            try #require(abs(Double(x[i]) - oracle.x[i]) <= bound, "step \(step), element \(i)")
          }
        }
        // Some are injected, and others come of a scale that has grown too far.
        #expect(skips > 20 && growths > 15, "\(skips) skipped, \(growths) grown")
      }
    }
  }
}
