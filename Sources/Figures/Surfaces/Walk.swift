import Descent

/// The walk of one rule on a surface: a point after every step, computed by an engine.
///
/// The parameters are two `Float`s. The gradient is computed in `Double` at that point and rounded
/// once, so the same start gives the same path on every engine that is bit-identical to the
/// reference.
package struct Walk: Sendable {
  package let surface: Surface
  package let rule: any UpdateRule
  /// The start, rounded to `Float`, then a point for each step; for Nesterov the iterates W. The
  /// walk ends after a point that is not finite.
  package private(set) var points: [Surface.Point]
  /// For Nesterov, the look-ahead points φ at which gradients are taken, one for each of
  /// ``points``; empty for all others.
  package private(set) var lookAheads: [Surface.Point]
  /// The digest of the bits of all ``points``.
  package private(set) var digest: Digest
  /// The gradients that the steps were given: `gradients[t]` led from `points[t]` onwards.
  package private(set) var gradients: [Surface.Point] = []

  /// - Parameters:
  ///   - start: the default is the surface's own.
  ///   - steps: the maximum number of steps; below 1 there are none.
  /// - Throws: ``DescentError`` for an invalid rule; `OpenCLError` if the device fails.
  package init(
    _ rule: any UpdateRule, on surface: Surface, from start: Surface.Point? = nil, steps: Int,
    engine choice: EngineChoice = .cpu
  ) throws {
    let start = start ?? surface.start
    var parameters = [Float(start.x), Float(start.y)]
    // For a rule over matrices the two are a row.
    let optimizer = try Optimizer(
      rule, layout: ParameterLayout(count: 2, for: rule), on: choice)
    (self.surface, self.rule) = (surface, rule)
    points = [Self.point(parameters)]
    lookAheads = optimizer.hasEvaluationPoint ? points : []
    digest = Digest(parameters)
    for step in stride(from: 1, through: steps, by: 1) where hasNotDiverged {
      let gradient = surface.gradient(at: Self.point(parameters), step: step)
      gradients.append(gradient)
      try optimizer.step(&parameters, gradients: [Float(gradient.x), Float(gradient.y)])
      try record(parameters, optimizer)
    }
  }

  package var steps: Int { points.count - 1 }

  package var end: Surface.Point { points[points.count - 1] }

  /// The step whose point is not finite, which is the last; nil if there is none.
  package var divergedStep: Int? { hasNotDiverged ? nil : steps }

  /// The first step whose point is outside the domain, by default the surface's own.
  package func firstStep(outside domain: Surface.Domain? = nil) -> Int? {
    points.firstIndex { !(domain ?? surface.domain).contains($0) }
  }

  private var hasNotDiverged: Bool { end.isFinite && lookAheads.last?.isFinite ?? true }

  private mutating func record(_ parameters: [Float], _ optimizer: Optimizer) throws {
    var iterate = parameters
    if optimizer.hasEvaluationPoint {
      try optimizer.writeIterate(from: parameters, into: &iterate)
      lookAheads.append(Self.point(parameters))
    }
    points.append(Self.point(iterate))
    digest.combine(iterate)
  }

  private static func point(_ parameters: [Float]) -> Surface.Point {
    Surface.Point(x: Double(parameters[0]), y: Double(parameters[1]))
  }
}

extension Surface {
  /// The rule with the given rate, or otherwise with its rate on this surface.
  package func rule(_ type: any UpdateRule.Type, learningRate: Double? = nil) -> any UpdateRule {
    var rule: any UpdateRule = type.init()
    // Schedule-Free SGD steps as SGD does, whose rate suits it.
    let own = learningRates[type == ScheduleFreeSGD.self ? SGD.name : type.name]
    if let rate = learningRate ?? own { rule.learningRate = rate }
    return rule
  }
}
