import Descent
import Training

extension Figure {
  /// The rates at which SGD, momentum and Nesterov diverge on a parabola, and the behaviour of the
  /// other rules far beyond.
  static let rateTooLarge = Figure(name: "rate-too-large") { try RateTooLarge(on: $0).result }
}

/// Every rule on the parabola ½x², whose curvature L is 1, started from 1, at rates at which SGD
/// diverges.
struct RateTooLarge {
  static let momentum = 0.9
  /// The rules whose steps are proportional to gradients, with the rate above which they diverge.
  static let bounded: [(type: any UpdateRule.Type, bound: Double, formula: String)] = [
    (Nesterov.self, 2 * (1 + momentum) / (1 + 2 * momentum), "2(1 + γ) / (1 + 2γ)L"),
    (SGD.self, 2, "2 / L"),
    (Momentum.self, 2 * (1 + momentum), "2(1 + γ) / L"),
  ]
  /// The noise of the gradients at the large rate. Without it a weight that rounding has put on the
  /// minimum would stay there at any rate.
  static let noise = 0.1
  /// Five times the rate above which SGD diverges.
  static let largeRate = 10.0

  /// A rule at many products of rate and curvature at once. Only the product matters, so the rate
  /// is 1 and each weight has a curvature of its own.
  struct Sweep {
    /// The curvatures from 0.2 to 10, each larger than the one before by 0.3 %.
    static let curvatures = Array(sequence(first: 0.2) { $0 < 9.97 ? $0 * 1.003 : nil })

    /// For each curvature, the largest distance in steps 91 to 100.
    let distances: [Double]
    /// The lowest curvature at which the weight is farther out than at the start at some point
    /// within the last hundred of 1,000 steps.
    let bound: Double
    let digest: Digest

    init(of type: any UpdateRule.Type, on engine: EngineChoice) throws {
      let curvatures = Self.curvatures.map { Float($0) }
      var trial = try Trial(
        RateTooLarge.rule(type, 1), from: curvatures.map { _ in 1 }, on: engine)
      func farthest(steps: Int, ofWhich last: Int) throws -> [Float] {
        var farthest = curvatures.map { _ in Float(0) }
        for step in 1...steps {
          try trial.step(zip(curvatures, trial.weights).map { $0 * $1 })
          guard step > steps - last else { continue }
          // After ∞ comes NaN, which counts as just as far.
          farthest = zip(farthest, trial.weights).map { $1.isNaN ? .infinity : max($0, abs($1)) }
        }
        return farthest
      }
      distances = try farthest(steps: 100, ofWhich: 10).map { min(Double($0), 1e30) }
      let late = try farthest(steps: 900, ofWhich: 100)
      bound = late.firstIndex { $0 > 1 }.map { Self.curvatures[$0] } ?? .infinity
      digest = trial.digest
    }
  }

  /// The result of a run that starts at 1 on a noisy parabola.
  struct Outcome {
    let farthest: Double
    /// The largest distance in the last tenth of the steps; infinite if the run diverged.
    let last: Double
    let digest: Digest

    init(_ rule: any UpdateRule, steps: Int, on engine: EngineChoice) throws {
      var trial = try Trial(rule, from: [1], on: engine)
      var generator = SplitMix64(seed: 1)
      var distances = [1.0]
      while distances.count <= steps, distances[distances.count - 1] < 1e30 {
        try trial.step { $0 + Float(noise * generator.normal()) }
        distances.append(abs(Double(trial.weights[0])))
      }
      let isLost = distances.count <= steps
      farthest = isLost ? .infinity : distances.max() ?? .nan
      last = isLost ? .infinity : distances.suffix(steps / 10).max() ?? .nan
      digest = trial.digest
    }
  }

  /// The sweeps, in the order of ``bounded``.
  let sweeps: [Sweep]
  /// The outcome of every rule of the catalogue after 1,000 steps at the large rate.
  let outcomes: [Outcome]

  init(on engine: EngineChoice) throws {
    sweeps = try Self.bounded.map { try Sweep(of: $0.type, on: engine) }
    outcomes = try ComparedRules.all.map {
      try Outcome(Self.rule($0, Self.largeRate), steps: 1000, on: engine)
    }
  }

  private static func rule(_ type: any UpdateRule.Type, _ rate: Double) -> any UpdateRule {
    var rule: any UpdateRule = type.init()
    rule.learningRate = rate
    return rule
  }
}

extension RateTooLarge {
  private func outcome(of type: any UpdateRule.Type) -> Outcome { outcomes[type.series] }

  var result: FigureResult {
    let bounds = sweeps.map { short($0.bound, digits: 3) }
    let (adaGrad, rmsProp) = (outcome(of: AdaGrad.self), outcome(of: RMSProp.self))
    let (adaDelta, adam) = (outcome(of: AdaDelta.self), outcome(of: Adam.self))
    let caption = """
      On a parabola of curvature L, SGD diverges from a rate of \(bounds[1])/L, momentum with \
      γ = 0.9 from \(bounds[2])/L and Nesterov already from \(bounds[0])/L; theory says 2, 3.8 \
      and 1.357. At 10/L, with a little noise, \
      the other methods are thrown out and come back: from a distance of 1 to \
      \(short(adaGrad.farthest)) and back within \(short(adaGrad.last)) with AdaGrad, to \
      \(short(rmsProp.farthest)) and within \(short(rmsProp.last)) with RMSProp, to \
      \(short(adam.farthest)) and within \(short(adam.last)) with Adam. AdaDelta, whose rate only \
      multiplies its own, comes within \(short(adaDelta.last)).
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: zip(Self.bounded, sweeps).map { ("\($0.type.name) bound", $1.bound) }
        + zip(ComparedRules.all, outcomes).filter { $1.farthest.isFinite }.flatMap {
          type, outcome in
          [("\(type.name) farthest", outcome.farthest), ("\(type.name) last", outcome.last)]
        },
      digest: Digest(sweeps.map(\.digest) + outcomes.map(\.digest)))
  }

  private func sheet(_ caption: String) -> PanelSheet {
    PanelSheet(
      title: "Beyond 2/L SGD diverges; methods with a rate for each weight are thrown out"
        + " and come back",
      description: caption, rows: [[sweepPanel], [outcomePanel]])
  }

  private var sweepPanel: Panel {
    let y = 1e-6...1e8
    let bounds = Self.bounded.enumerated().flatMap { index, rule -> [Panel.Mark] in
      let place = Panel.Place(x: rule.bound, y: [1e7, 3e5, 1e4][index])
      let name = Panel.Place(x: 5.2, y: place.y)
      return [
        .grid([.init(x: rule.bound, y: y.lowerBound), .init(x: rule.bound, y: y.upperBound)]),
        .grid([place, name]), .marks([place], series: rule.type.series),
        .label("\(rule.type.title) \(rule.formula)", at: name, dx: 4, dy: 5),
      ]
    }
    return Panel(
      heading: "After 100 steps from a distance of 1",
      x: .init(
        label: "rate × L", range: 0.2...100, kind: .logarithmic,
        ticks: [0.2, 0.5, 1, 2, 5, 10].map { .init(value: $0, label: short($0, digits: 1)) }),
      y: .init(label: "distance from the minimum", range: y, kind: .logarithmic), height: 200,
      marks: zip(Self.bounded, sweeps).map { rule, sweep in
        .line(
          zip(Sweep.curvatures, sweep.distances).map { .init(x: $0, y: $1) },
          series: rule.type.series)
      } + bounds)
  }

  private var outcomePanel: Panel {
    let ticks = [0.1, 1, 10, 100]
    return Panel(
      heading: "At 10/L, with noise: the farthest point, and that after 1,000 steps",
      x: .init(
        label: "distance from the minimum, started at 1", range: 0.05...2000, kind: .logarithmic,
        ticks: ticks.map { .init(value: $0, label: short($0, digits: 1)) }),
      y: .names(ComparedRules.all.map { $0.title }),
      height: Panel.Axis.height(ofNames: ComparedRules.all.count),
      marks: ticks.map { .grid([.init(x: $0, y: 0.6), .init(x: $0, y: -8.6)]) }
        + zip(ComparedRules.all, outcomes).flatMap { Self.row($1, series: $0.series) })
  }

  private static func row(_ outcome: Outcome, series: Int) -> [Panel.Mark] {
    func place(_ x: Double) -> Panel.Place { .init(x: x, y: -Double(series)) }
    guard outcome.farthest.isFinite else {
      return [
        .arrow(from: place(1), to: place(200), series: series),
        .label("diverges", at: place(200), dx: 8, dy: 5),
      ]
    }
    return [
      .arrow(from: place(outcome.farthest), to: place(outcome.last), series: series),
      .marks([place(outcome.farthest)], series: series),
    ]
  }
}
