import Descent

extension Figure {
  /// One problem in three scalings, solved by SGD at one rate and by AdaDelta, which has no rate to
  /// choose.
  static let noRate = Figure(name: "no-rate") { try NoRateToChoose(on: $0).result }
}

/// The bowl ½ Σ Lᵢ xᵢ², started from 1 everywhere, with its loss or its weights in another unit.
struct NoRateToChoose {
  struct Scaling: Sendable {
    /// The factor of the loss.
    var loss = 1.0
    /// The factor of the weights.
    var unit = 1.0
  }

  static let curvatures = [1.0, 2, 5, 10]
  static let losses = [Scaling(loss: 0.01), Scaling(), Scaling(loss: 100)]
  static let units = [Scaling(unit: 0.1), Scaling(), Scaling(unit: 10)]

  static let sgd = SGD(learningRate: 0.1)
  static let rmsProp = RMSProp(learningRate: 0.001)
  static let adaDelta = AdaDelta()

  /// AdaDelta with an ε that grows with the square of the unit.
  static func adaDelta(_ scaling: Scaling) -> AdaDelta {
    AdaDelta(epsilon: adaDelta.epsilon * scaling.unit * scaling.unit)
  }

  /// A rule on the problem in one scaling.
  struct Run {
    /// The loss relative to that at the start, before the first step and after each. It ends early
    /// if the run diverges.
    private(set) var losses: [Double] = [1]
    let digest: Digest

    init(_ rule: any UpdateRule, _ scaling: Scaling, steps: Int, on engine: EngineChoice) throws {
      let start = curvatures.map { _ in Float(scaling.unit) }
      var trial = try Trial(rule, from: start, on: engine)
      while losses.count <= steps, losses[losses.count - 1] < 1e12 {
        // With x = unit · y, the derivative with respect to x is that with respect to y, divided by
        // the unit.
        try trial.step(
          zip(curvatures, trial.weights).map {
            Float(scaling.loss * $0 * Double($1) / (scaling.unit * scaling.unit))
          })
        let squares = trial.weights.map { Double($0) * Double($0) }
        let loss = zip(curvatures, squares).reduce(0) { $0 + $1.0 * $1.1 }
        losses.append(loss / (curvatures.reduce(0, +) * scaling.unit * scaling.unit))
      }
      digest = trial.digest
    }

    /// The first step after which the loss is a hundredth of that at the start; nil if none is.
    var stepsToHundredth: Int? { losses.firstIndex { $0 < 0.01 } }
  }

  let sgdByLoss: [Run]
  let rmsPropByLoss: [Run]
  let rmsPropByUnit: [Run]
  let byLoss: [Run]
  let byUnit: [Run]
  let byUnitWithEpsilon: [Run]

  init(on engine: EngineChoice) throws {
    func runs(
      _ scalings: [Scaling], steps: Int, _ rule: (Scaling) -> any UpdateRule
    ) throws -> [Run] {
      try scalings.map { try Run(rule($0), $0, steps: steps, on: engine) }
    }
    sgdByLoss = try runs(Self.losses, steps: 1000) { _ in Self.sgd }
    rmsPropByLoss = try runs(Self.losses, steps: 1000) { _ in Self.rmsProp }
    rmsPropByUnit = try runs(Self.units, steps: 10_000) { _ in Self.rmsProp }
    byLoss = try runs(Self.losses, steps: 400) { _ in Self.adaDelta }
    byUnit = try runs(Self.units, steps: 2000) { _ in Self.adaDelta }
    byUnitWithEpsilon = try runs(Self.units, steps: 400, Self.adaDelta)
  }
}

extension NoRateToChoose {
  private static func steps(_ runs: [Run]) -> [Double] {
    runs.map { $0.stepsToHundredth.map(Double.init) ?? .infinity }
  }

  var result: FigureResult {
    let found: [(name: String, steps: [Double])] = [
      ("adadelta, loss", byLoss), ("adadelta, weights and epsilon", byUnitWithEpsilon),
      ("adadelta, weights", byUnit), ("sgd, loss", sgdByLoss), ("rmsprop, loss", rmsPropByLoss),
      ("rmsprop, weights", rmsPropByUnit),
    ].map { ($0, Self.steps($1)) }
    let lists = found.map { Self.list($0.steps) }
    let caption = """
      Steps to a hundredth of the first loss, with the loss multiplied by 1/100, 1 and 100: \
      AdaDelta \(lists[0]), SGD at a rate of 0.1 \(lists[3]). With the weights multiplied by \
      1/10, 1 and 10, and ε = 10⁻⁶ by the square of that, AdaDelta takes \(lists[1]). But ε is in \
      units too: left as it is, the first steps are as short as before, and it takes \(lists[2]). \
      RMSProp shares only the first: \(lists[4]) however the loss is scaled, \(lists[5]) as the \
      weights are, at a rate of 0.001.
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: found.flatMap { Self.measured($0.name, $0.steps) },
      digest: Digest(
        (byLoss + byUnitWithEpsilon + byUnit + sgdByLoss + rmsPropByLoss + rmsPropByUnit)
          .map(\.digest)))
  }

  /// The number of steps of the runs that arrive.
  private static func measured(
    _ what: String, _ steps: [Double]
  ) -> [(name: String, value: Double)] {
    zip(["small", "1", "large"], steps).filter { $1.isFinite }.map { ("\(what) \($0)", $1) }
  }

  private static func list(_ steps: [Double]) -> String {
    let texts = steps.map { $0.isFinite ? "\(Int($0))" : "none, as it diverges" }
    return texts.dropLast().joined(separator: ", ") + " and " + (texts.last ?? "")
  }

  private func sheet(_ caption: String) -> PanelSheet {
    let (losses, units) = (["loss / 100", "loss", "100 × loss"], ["x / 10", "x", "10 × x"])
    return PanelSheet(
      title: "However loss and weights are scaled, AdaDelta takes the same steps, if ε goes along",
      description: caption,
      rows: [
        [
          Self.panel(
            "AdaDelta, loss or weights scaled: five lines in one",
            byLoss + [byUnitWithEpsilon[0], byUnitWithEpsilon[2]],
            losses + ["x / 10, ε / 100", "10 × x, 100 × ε"], 300, broad: 1)
        ],
        [Self.panel("SGD at a rate of 0.1, the loss scaled", sgdByLoss, losses, 300)],
        [Self.panel("AdaDelta, the weights scaled and ε not", byUnit, units, 2000)],
      ])
  }

  private static func panel(
    _ heading: String, _ runs: [Run], _ names: [String], _ steps: Int, broad: Int? = nil
  ) -> Panel {
    .curves(
      heading: heading, x: .init(label: "step", range: 0...Double(steps)),
      y: .init(label: "loss as a share of the first", range: 1e-3...20, kind: .logarithmic),
      runs.enumerated().map { index, run in
        .init(
          name: names[index],
          points: run.losses.prefix(steps + 1).enumerated().map {
            .init(x: Double($0.offset), y: $0.element)
          }, series: index, isBroad: index == broad)
      })
  }
}
