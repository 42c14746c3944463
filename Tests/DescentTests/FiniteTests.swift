import DescentTestSupport
import Foundation
import Testing

@testable import Descent

/// Finite gradients leave finite parameters, at any hyper-parameters that are allowed, but where
/// the true value is beyond a Float. The truth is the same formula in Double.
@Suite struct FiniteTests {
  /// The ends of the hyper-parameters' ranges, and values between.
  static let ends: [String: [Double]] = [
    "learningRate": [0, 1.5e-45, 1e-3, 1, 1e10, 1e20],
    "fraction": [0, 1.5e-45, 0.5, 0.9, 0.999, 1 - 0x1p-24],
    "positive": [1.5e-45, 1e-38, 1e-8, 1, 1e10],
    "number": [0, 1.5e-45, 1e-38, 1e-8, 1, 1e10],
    "exponent": [-10, -0.8, 0],
    "weightDecay": [0, 1.5e-45, 1e-8, 0.1, 1],
    "rectificationThreshold": [4, 5, 1e10],
    // Others let the iteration diverge.
    "newtonSchulzA": [3.4445], "newtonSchulzB": [-4.775], "newtonSchulzC": [2.0315],
    "newtonSchulzSteps": [1, 2, 5],
  ]

  /// Magnitudes of gradients: zero, denormal, with a square that is 0, ordinary, and near the
  /// greatest whose square is a Float.
  static let magnitudes: [Float] = [
    0, 0x1p-149, 0x1p-126, 1e-30, 1e-23, 1e-10, 0.3, 4.45, 1e10, 1.8e19,
  ]

  /// A rule with every hyper-parameter drawn from its range, its ends included; nil where the draw
  /// is refused.
  private func drawn<Rule: UpdateRule>(
    _ type: Rule.Type, _ random: inout SeededGenerator
  ) -> (any UpdateRule)? {
    var rule = Rule()
    for parameter in Rule.hyperparameters {
      func draw(_ path: WritableKeyPath<Rule, Double>, _ allowed: Hyperparameter<Rule>.Allowed) {
        let own = Self.ends[parameter.name]
        let values =
          switch allowed {
          case .atLeastZero: own ?? Self.ends["number"]
          case .atMostZero: own ?? Self.ends["exponent"]
          case .aboveZero: own ?? Self.ends["positive"]
          case .fromZeroToBelowOne: Self.ends["fraction"]
          case .fromZeroToOne: Self.ends["fraction"].map { $0 + [1] }
          }
        if let values, let value = values.randomElement(using: &random) {
          rule[keyPath: path] = value
        }
      }
      switch parameter.storage {
      case .number(let path, let allowed): draw(path, allowed)
      case .flag(let path): rule[keyPath: path] = Bool.random(using: &random)
      case .optional, .fixed: break
      }
    }
    // Above 1, the decay multiplies the roundings of earlier steps at every step.
    // A factor of a rate that the rule finds itself: 1, or less.
    if let rule = rule as? Prodigy, max(rule.learningRate, rule.scaleCoefficient) > 1 { return nil }
    if rule.appliedDecay.ofStep(learningRate: rule.learningRate) > 1 { return nil }
    if case .insideRule(let strength) = rule.appliedDecay, rule.learningRate * strength > 1 {
      return nil
    }
    return (try? rule.validate()) == nil ? nil : rule
  }

  /// Sixty gradients of one element: steady, alternating, or of another magnitude at every step.
  private func gradients(_ random: inout SeededGenerator) -> [Float] {
    let steady = Self.magnitudes.randomElement(using: &random) ?? 0
    let manner = Int.random(in: 0..<4, using: &random)
    return (0..<60).map { step in
      switch manner {
      case 0: steady
      case 1: step % 2 == 0 ? steady : -steady
      case 2: step < 30 ? steady : 0
      default:
        (Self.magnitudes.randomElement(using: &random) ?? 0)
          * (Bool.random(using: &random) ? 1 : -1)
      }
    }
  }

  /// Runs of each rule; fewer in debug builds, which are slow.
  #if DEBUG
  private static let draws = 200
  #else
  private static let draws = 1000
  #endif

  @Test("no NaN and no ∞ from finite gradients, but where the truth is beyond a Float")
  func finite() throws {
    var random = SeededGenerator(seed: 1)
    for type in Rules.all {
      var (compared, found) = (0, 0)
      for _ in 0..<Self.draws {
        guard let rule = drawn(type, &random) else { continue }
        let gradients = gradients(&random)
        let start: Float = [0, 1, -3, 1e-20].randomElement(using: &random) ?? 0
        let path = try Self.path(rule, start, gradients)
        compared += path.compared
        if let fault = path.fault, found < 3 {
          found += 1
          Issue.record("\(rule) from \(start): \(fault); gradients \(gradients)")
        }
      }
      #expect(compared > 5 * Self.draws, "\(type.name)")
    }
  }

  /// How many steps could be compared, and what is not finite though the truth is, if anything.
  ///
  /// A rule of several passes multiplies the length of a tensor by its rate and by coefficients, so
  /// its path ends where the parameter is above 1e18.
  ///
  /// A path ends where the rule's gradient has a square beyond a Float, where a state is beyond
  /// one, or where an ε below 1e-20 is the whole denominator, since the square underflows: then the
  /// step is ηg/ε.
  private static func path(
    _ rule: some UpdateRule, _ start: Float, _ gradients: [Float]
  ) throws -> (compared: Int, fault: String?) {
    let layout = try ParameterLayout(count: 1, for: rule)
    let own = try PlainSteps(rule, layout: layout, parameters: [start])
    let truth = try PlainSteps(rule, layout: layout, parameters: [Double(start)])
    let limit = Double(Float.greatestFiniteMagnitude)
    let keepsSquares = !(rule is SGD || rule is Momentum || rule is Nesterov)
    let epsilons = ["epsilon", "rootEpsilon"].compactMap { try? rule.hyperparameter($0) }
    let hasTinyEpsilon = epsilons.contains { $0 > 0 && $0 < 1e-20 }
    for (index, gradient) in gradients.enumerated() {
      let decay = rule.appliedDecay.ofGradient * truth.parameters[0].magnitude
      // What Prodigy squares is the gradient times its estimate.
      let estimate = rule is Prodigy ? truth.savedStates["d"]?[0] ?? 1 : 1
      let seen = (Double(gradient).magnitude + decay) * max(estimate, 1)
      if keepsSquares && (seen * seen > limit / 2 || hasTinyEpsilon && seen > 0 && seen < 1e-18) {
        return (index, nil)
      }
      if let adopt = rule as? ADOPT {
        // It divides by the moment of the steps before, which may be ε alone. Then the ratio may be
        // beyond a Float, and it magnifies the rounding errors where coupled decay cancels a
        // gradient or a parameter.
        let (x, trueX) = (Double(own.parameters[0]), truth.parameters[0])
        let prepared =
          (adopt.maximize ? -Double(gradient) : Double(gradient))
          + adopt.appliedDecay.ofGradient * trueX
        let isCancelled =
          prepared.magnitude < 1e-5 * seen || (x - trueX).magnitude > trueX.magnitude / 2
        if decay > 0 && isCancelled { return (index, nil) }
        if adopt.epsilon > 0 && seen > adopt.epsilon * limit { return (index, nil) }
      }
      try own.take(rule, gradients: [gradient])
      try truth.take(rule, gradients: [Double(gradient)])
      let (x, trueX, trueStates) = (own.parameters[0], truth.parameters[0], truth.savedStates)
      // Roundings may take a value over the limit that is near it in truth.
      if !(trueX.magnitude <= (rule.passes.count > 1 ? 1e18 : limit / 2)) { return (index, nil) }
      if rule.passes.count == 1
        && !trueStates.values.joined().allSatisfy({ $0.magnitude <= limit / 2 })
      {
        return (index, nil)
      }
      if !x.isFinite { return (index, "step \(index + 1): \(x), in truth \(trueX)") }
      for (name, state) in own.savedStates {
        let trueState = trueStates[name]?[0] ?? .nan
        // A sum of terms beyond a Float is NaN.
        let isBeyond = rule.passes.count > 1 && !(trueState.magnitude < limit / 2)
        if state[0].isNaN && !isBeyond
          || state[0].isInfinite && trueState.magnitude < limit / 2
        {
          return (index, "step \(index + 1): \(name) is \(state[0]), in truth \(trueState)")
        }
      }
    }
    return (gradients.count, nil)
  }

  /// Fails where a denominator of 0 makes NaN (Adam, ε 0), or where 1e-46 is taken for more than 0.
  @Test("an element without a gradient stays where it is, whatever the ε")
  func zeroGradients() throws {
    let rules: [any UpdateRule] = [
      Adam(epsilon: 0), Adam(epsilon: 0, epsilonBeforeCorrection: true),
      AdamW(epsilon: 0, weightDecay: 0),
      AMSGrad(epsilon: 0), RMSProp(epsilon: 0), RMSProp(epsilon: 0, centered: true),
      RMSProp(epsilon: 0, momentum: 0.9), AdaGrad(epsilon: 0),
      NAdam(epsilon: 0),
      RAdam(beta2: 0.5, epsilon: 0),
      AdaBelief(epsilon: 0, stateEpsilon: 0),
      AdaBelief(epsilon: 0, stateEpsilon: 0, rectify: true),
      Yogi(epsilon: 0, initialAccumulator: 0),
    ]
    for rule in rules {
      for choice in try TestEngines.choices() {
        let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 3), on: choice)
        optimizer.skipsNonFinite = true
        var x: [Float] = [1, 1, 1]
        for _ in 1...3 { try optimizer.step(&x, gradients: [0, 1e-30, 1]) }
        // The second gradient's square is 0 as a Float, so its size is lost.
        #expect(x[0] == 1 && x[1] == 1, "\(rule) on \(choice)")
        #expect(x[2].isFinite && x[2] < 1, "\(rule) on \(choice)")
      }
    }
  }

  /// Fails with a clamp at 0, where each step from 133 on moves 4.4 million.
  @Test("centred RMSProp under a steady gradient steps as in Double", arguments: [0.5, 0.9, 0.99])
  func steady(_ decay: Double) throws {
    var random = SeededGenerator(seed: 2)
    let rule = RMSProp(learningRate: 0.01, decay: decay, centered: true)
    let gradients: [Float] =
      [4.45, 0.7, 0.3] + (0..<200).map { _ in .random(in: 0.01..<10, using: &random) }
    var (x, truth) = (gradients.map { _ in Float(0) }, gradients.map { _ in 0.0 })
    var (states, trueStates) = ([x, x], [truth, truth])
    for step in 1...400 {
      let (before, trueBefore) = (x, truth)
      try rule.referenceUpdate(&x, gradients: gradients, states: &states, step: step)
      try rule.referenceUpdate(
        &truth, gradients: gradients.map(Double.init), states: &trueStates, step: step)
      for i in x.indices {
        let (moved, trulyMoved) = (Double(x[i] - before[i]), truth[i] - trueBefore[i])
        // η/√(2⁻²⁴), which the floor allows.
        #expect(
          abs(moved) < 0.01 * 4097, "step \(step), g \(gradients[i]): \(moved), not \(trulyMoved)")
        // Where the roundings of v and a², of up to 2⁻²⁴/(1 − ρ), are small compared with the
        // difference.
        if pow(0.01 / trulyMoved, 2) > 0x1p-18 / (1 - decay) {
          #expect(
            abs(moved / trulyMoved - 1) < 0.1,
            "step \(step), g \(gradients[i]): \(moved), not \(trulyMoved)")
        }
      }
    }
  }
}
