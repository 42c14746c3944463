import Foundation
import Testing
import Verification

@testable import Descent

/// A small model in two groups, and what it is trained on.
enum SmallModel {
  /// - Parameter rule: one that may need matrices; its vectors are then rows.
  static func layout(for rule: any UpdateRule = SGD()) throws -> ParameterLayout {
    var layout = ParameterLayout()
    try layout.append("hidden.weight", shape: [7, 19])
    try layout.append("hidden.bias", shape: rule.shape(ofCount: 19), group: "biases")
    try layout.append("scale", shape: rule.needsMatrices ? [1, 1] : [])
    try layout.append("output.weight", shape: [19, 3])
    try layout.append("output.bias", shape: rule.shape(ofCount: 3), group: "biases")
    try layout.setGroup("biases", to: ParameterGroup(learningRateFactor: 0.5, weightDecay: 0))
    return layout
  }

  static let steps = PinnedSteps(count: 7 * 19 + 19 + 1 + 19 * 3 + 3)

  /// Takes steps of these numbers, counted from 1.
  static func train(
    _ optimizer: Optimizer, _ parameters: inout [Float], _ numbers: ClosedRange<Int>
  ) throws {
    for step in numbers {
      try optimizer.step(&parameters, gradients: steps.gradients(step))
    }
  }

  /// Of parameters and states.
  static func digest(_ optimizer: Optimizer, _ parameters: [Float]) throws -> Digest {
    var digest = Digest(parameters)
    for name in optimizer.stateNames { digest.combine(try optimizer.state(name)) }
    if optimizer.averaging != nil { digest.combine(try optimizer.average()) }
    return digest
  }

  /// Gradients that clipping and a loss scale have work with: every sixth is not finite.
  static func controlledGradients(_ step: Int) -> [Float] {
    (0..<steps.count).map { index in
      if step % 6 == 5 && index == 40 { return .infinity }
      return Float(
        Int(truncatingIfNeeded: PinnedSteps.mix(UInt64(step << 20 + index)) % 2001) - 1000)
    }
  }

  /// Steps with all of the step control, and a group that is frozen for a while.
  static func trainControlled(
    _ optimizer: Optimizer, _ parameters: inout [Float], _ numbers: ClosedRange<Int>
  ) throws {
    for step in numbers {
      if step == 4 || step == 11 {
        var group = try optimizer.group("biases")
        group.isFrozen = step == 4
        try optimizer.setGroup("biases", to: group)
      }
      try optimizer.step(&parameters, gradients: controlledGradients(step))
    }
  }

  static func controlled(on choice: EngineChoice) throws -> Optimizer {
    let optimizer = try Optimizer(
      AdamW(learningRate: 0.01), layout: layout(), on: choice)
    optimizer.clipping = .globalNorm(2)
    optimizer.skipsNonFinite = true
    try optimizer.setLossScale(LossScale(scale: 64, growthInterval: 3))
    optimizer.schedule = .warmUp(5).then(.cosine(from: 0.01, to: 1e-4, steps: 30))
    optimizer.leftOut = ["scale"]
    optimizer.averaging = ParameterAverage(decay: 0.9)
    return optimizer
  }

  static let lookAhead = [0.9, 0.9, 0.95, 0.8, 0.8, 0.7, 0.99, 0.5, 0.9, 0.9]

  /// Look-ahead steps whose momentum changes, announced by the step before.
  static func trainLookAhead(
    _ optimizer: Optimizer, _ parameters: inout [Float], _ numbers: ClosedRange<Int>
  ) throws {
    for step in numbers {
      optimizer.rule = Nesterov(
        learningRate: 0.01, momentum: lookAhead[step % 10],
        nextMomentum: lookAhead[(step + 1) % 10])
      try optimizer.step(&parameters, gradients: steps.gradients(step))
    }
  }
}

/// Optimizers of which each group has one parameter, whose move shows the rate.
protocol GroupMoves {}

extension GroupMoves {
  /// One tensor of one element in each group.
  func layout(_ groups: [(String, Double)]) throws -> ParameterLayout {
    var layout = ParameterLayout()
    for (name, factor) in groups {
      try layout.append("\(name).x", shape: [1], group: name)
      try layout.setGroup(name, to: ParameterGroup(learningRateFactor: factor))
    }
    return layout
  }

  /// The move of each group's parameter in a step with gradients of 1.
  func move(_ optimizer: Optimizer) throws -> [String: Float] {
    var x = [Float](repeating: 0, count: optimizer.layout.count)
    try optimizer.step(&x, gradients: x.map { _ in Float(1) })
    return Dictionary(
      uniqueKeysWithValues: optimizer.layout.tensors.map {
        ($0.group, x[$0.range.lowerBound])
      })
  }
}
