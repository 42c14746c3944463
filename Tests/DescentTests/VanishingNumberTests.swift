import DescentTestSupport
import Testing

@testable import Descent

/// Numbers above 0 that are 0 as a `Float` are refused by name, wherever they enter.
@Suite struct VanishingNumberTests {
  /// The least `Float` above 0 is 1.4e-45; half of it rounds to 0.
  private static let (vanishing, least) = (
    [1e-46, 0x1p-150, Double.leastNonzeroMagnitude], 0x1.000002p-150
  )

  @Test("every hyper-parameter of every rule")
  func hyperparameters() throws {
    for type in Rules.all {
      let rule = type.init()
      for name in rule.hyperparameterNames {
        guard let value = try rule.hyperparameter(name), !Self.isFlag(type, name) else { continue }
        for number in Self.vanishing {
          var changed: any UpdateRule = rule
          #expect(
            message { try changed.setHyperparameter(name, to: number) }
              .hasPrefix("\(type.name): \(name) is \(number); allowed is a number "))
          #expect(try changed.hyperparameter(name) == value)
        }
        var changed: any UpdateRule = rule
        let isNegative = ["beta2Decay", "newtonSchulzB"].contains(name)
        let least = isNegative ? -Self.least : Self.least
        try changed.setHyperparameter(name, to: least)
        #expect(Float(try #require(try changed.hyperparameter(name))) != 0)
      }
    }
  }

  private static func isFlag<Rule: UpdateRule>(_ type: Rule.Type, _ name: String) -> Bool {
    Rule.hyperparameters.first { $0.name == name }?.kind == .flag
  }

  @Test("what stands in the rule, in groups, in clipping and in a step, before anything is touched")
  func elsewhere() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 1), on: choice)
      var x: [Float] = [1]
      func step(_ scale: Double = 1) -> String {
        message { try optimizer.step(&x, gradients: [1], gradientScale: scale) }
      }
      let allowed = "allowed is a number of at least 0 that a Float can hold"
      optimizer.setLearningRate(1e-46)
      #expect(step() == "sgd: learningRate is 1e-46; \(allowed)")
      optimizer.rule = SGD(learningRate: 1)
      for scale in [1e-46, -1e-46] {
        #expect(step(scale) == "gradientScale is \(scale); allowed is what a Float can hold")
      }
      for clipping in [Clipping.globalNorm(1e-46), .tensorNorm(1e-46), .value(1e-46)] {
        optimizer.clipping = clipping
        #expect(step().hasPrefix("clipping: limit is 1e-46; allowed is"))
      }
      optimizer.clipping = .globalNorm(1, epsilon: 1e-46)
      #expect(step() == "clipping: epsilon is 1e-46; \(allowed)")
      optimizer.clipping = nil
      optimizer.averaging = ParameterAverage(decay: 1e-46)
      #expect(step().hasPrefix("averaging: decay is 1e-46; allowed is"))
      optimizer.averaging = nil
      let group = ParameterGroup.defaultName
      for (settings, name) in [
        (ParameterGroup(learningRateFactor: 1e-46), "learningRateFactor"),
        (ParameterGroup(weightDecay: 1e-46), "weightDecay"),
      ] {
        #expect(
          message { try optimizer.setGroup(group, to: settings) }
            == "group \"default\": \(name) is 1e-46; \(allowed)")
      }
      #expect(
        message { try optimizer.setGroup(group, to: ParameterGroup(weightDecay: 1e39)) }
          == "group \"default\": weightDecay is 1e+39; \(allowed)")
      optimizer.setLearningRate(1e-30)
      #expect(
        message { try optimizer.setGroup(group, to: ParameterGroup(learningRateFactor: 1e-20)) }
          == "sgd: learningRate is 1e-50; \(allowed)")
      #expect(try x == [1] && optimizer.stepCount == 0)
    }
  }

  @Test("a schedule may run out to a rate that is 0 as a Float")
  func schedules() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 1), on: choice)
      optimizer.schedule = .exponential(1, factor: 1e-20, every: 1)
      var x: [Float] = [1]
      for _ in 1...5 { try optimizer.step(&x, gradients: [0x1p100]) }
      let moved = x
      let rate = try optimizer.learningRate
      #expect(try rate < 1e-90 && rate > 0 && optimizer.stepCount == 5)
      try optimizer.step(&x, gradients: [0x1p100])
      #expect(x == moved)
      optimizer.schedule = .linear(from: 1e-3, to: 1e-60, steps: 3)
      for _ in 1...4 { try optimizer.step(&x, gradients: [1]) }
    }
  }
}
