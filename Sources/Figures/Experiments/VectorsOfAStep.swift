import Descent

extension Figure {
  /// One step of momentum and one of Nesterov's method, decomposed into arrows.
  static let vectorsOfAStep = Figure(name: "vectors-of-a-step") {
    try VectorsOfAStep(engine: $0).result
  }
}

private struct VectorsOfAStep {
  private static let condition = 4.0
  private static let rate = 0.2
  private static let momentum = 0.8
  private static let start = Surface.Point(x: -3, y: 1.5)

  private static let surface: Surface = {
    var surface = Surfaces.ravine(condition: condition)
    surface.domain = .init(x: -2.75...(-1.05), y: -1.1...0.6)
    return surface
  }()

  /// The second step of a rule, from the engine's values before and after it. The first step has no
  /// momentum, so all rules begin their second step with the same parameters and velocity.
  private struct Step {
    /// W, V before the step.
    let from: Surface.Point
    let velocity: Surface.Point
    /// The point where the gradient is taken: the parameters in the engine.
    let gradientAt: Surface.Point
    /// W, V after the step.
    let to: Surface.Point
    let newVelocity: Surface.Point
    /// All of these values as the engine returned them.
    let values: [Float]

    init(_ rule: any UpdateRule, engine: EngineChoice) throws {
      let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 2, for: rule), on: engine)
      var parameters = [Float(start.x), Float(start.y)]
      func step() throws {
        let gradient = surface.gradient(at: Surface.Point(parameters), step: 1)
        try optimizer.step(&parameters, gradients: [Float(gradient.x), Float(gradient.y)])
      }
      func iterate() throws -> [Float] {
        guard optimizer.hasEvaluationPoint else { return parameters }
        var iterate = parameters
        try optimizer.writeIterate(from: parameters, into: &iterate)
        return iterate
      }
      try step()
      let before = (parameters, try iterate(), try optimizer.state("b"))
      try step()
      let after = (try iterate(), try optimizer.state("b"))
      (gradientAt, from, velocity) = (.init(before.0), .init(before.1), .init(before.2))
      (to, newVelocity) = (.init(after.0), .init(after.1))
      values = before.0 + before.1 + before.2 + after.0 + after.1
    }

    /// −γV: the step of the momentum alone.
    var momentumStep: Surface.Point {
      .init(x: -momentum * velocity.x, y: -momentum * velocity.y)
    }

    /// The downhill step that the gradient adds: −(V′ − γV).
    var gradientStep: Surface.Point {
      .init(
        x: momentum * velocity.x - newVelocity.x, y: momentum * velocity.y - newVelocity.y)
    }

    var actualStep: Surface.Point { .init(x: to.x - from.x, y: to.y - from.y) }

    /// The distance between the gradient step and the step of the gradient at that point.
    func error(ofGradientAt point: Surface.Point) -> Double {
      let gradient = surface.gradient(point.x, point.y)
      return gradientStep.distance(to: .init(x: -rate * gradient.x, y: -rate * gradient.y))
    }

    /// The distance between the sum of the two steps and the actual step.
    var sumError: Double { from.moved(by: momentumStep).moved(by: gradientStep).distance(to: to) }
  }

  private let momentum: Step
  private let nesterov: Step

  init(engine: EngineChoice) throws {
    let (rate, gamma) = (Self.rate, Self.momentum)
    momentum = try Step(
      Momentum.accumulated(learningRate: rate, momentum: gamma), engine: engine)
    nesterov = try Step(Nesterov(learningRate: rate, momentum: gamma), engine: engine)
  }

  /// The point after the momentum step alone, which Nesterov's engine holds too.
  private var lookAhead: Surface.Point { momentum.from.moved(by: momentum.momentumStep) }

  var result: FigureResult {
    let heights = [momentum, nesterov].map { Self.surface.value(at: $0.to) }
    let caption =
      "The second step on ½(x² + 4y²) from (−3, 1.5), with η = 0.2 and γ = 0.8: both begin in the"
      + " same place with the same velocity. Momentum takes the gradient where it stands, on this"
      + " side of the floor, and ends at a height of \(Drawing.number(heights[0])); Nesterov takes it"
      + " where the momentum leads, on the other side, is turned back, and ends at"
      + " \(Drawing.number(heights[1]))."
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: [
        ("height after momentum", heights[0]), ("height after nesterov", heights[1]),
        (
          "momentum's gradient against the one at the start",
          momentum.error(ofGradientAt: momentum.from)
        ),
        ("momentum's gradient against the one ahead", momentum.error(ofGradientAt: lookAhead)),
        (
          "nesterov's gradient against the one at the start",
          nesterov.error(ofGradientAt: nesterov.from)
        ),
        ("nesterov's gradient against the one ahead", nesterov.error(ofGradientAt: lookAhead)),
        ("sum of momentum's arrows", momentum.sumError),
        ("sum of nesterov's arrows", nesterov.sumError),
        ("distance of the beginnings", momentum.from.distance(to: nesterov.from)),
        (
          "nesterov's parameters against the look-ahead",
          nesterov.gradientAt.distance(to: lookAhead)
        ),
      ], digest: Digest(momentum.values + nesterov.values))
  }

  private func sheet(_ caption: String) -> PanelSheet {
    PanelSheet(
      title: "Nesterov takes the gradient where the momentum leads, and is turned back in time",
      description: caption,
      rows: [
        [
          panel(
            momentum, "Momentum: the gradient here", gradient: (8, 5), actual: (10, 0)),
          panel(nesterov, "Nesterov: the gradient ahead", gradient: (-6, 44), actual: (0, -12)),
        ]
      ])
  }

  private func panel(
    _ step: Step, _ heading: String, gradient: (dx: Double, dy: Double),
    actual: (dx: Double, dy: Double)
  ) -> Panel {
    let end = step.gradientAt.moved(by: step.gradientStep)
    let middle = step.from.moved(
      by: .init(x: step.actualStep.x / 2, y: step.actualStep.y / 2))
    let (left, right) = (
      Self.surface.domain.x.lowerBound, Self.surface.domain.x.upperBound
    )
    return .surface(
      Self.surface, heading: heading,
      marks: [
        .grid([.init(x: left, y: 0), .init(x: right, y: 0)]),
        .label("floor", at: .init(x: right, y: 0), dx: -4, dy: 16, anchor: .end),
        .arrow(from: step.from, to: lookAhead, series: 1),
        .arrow(from: step.gradientAt, to: end, series: 2),
        .arrow(from: step.from, to: step.to, series: 0),
        .starts([step.from]),
        .label("momentum", at: lookAhead, dy: 18, anchor: .middle),
        .label("gradient", at: end, dx: gradient.dx, dy: gradient.dy),
        .label("step", at: middle, dx: actual.dx, dy: actual.dy),
      ])
  }
}

extension Surface.Point {
  fileprivate init(_ parameters: [Float]) {
    self.init(x: Double(parameters[0]), y: Double(parameters[1]))
  }

  fileprivate func moved(by step: Surface.Point) -> Surface.Point {
    .init(x: x + step.x, y: y + step.y)
  }
}
