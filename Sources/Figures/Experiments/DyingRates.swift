import Descent
import Training

extension Figure {
  /// AdaGrad's rate over 10,000 steps compared with RMSProp's and AdaDelta's, and its effect.
  static let dyingRates = Figure(name: "dying-rates") { try DyingRates(on: $0).result }
}

/// The methods with a rate for each weight, on a parabola ½(x − c)² for each of 16 weights. The
/// gradients have noise of variance 1. The minimum c is fixed, or moves.
struct DyingRates {
  static let weightCount = 16
  static let drift = 0.002
  /// At these rates AdaGrad and RMSProp begin alike, and have similar rates again around step 100.
  static let rules: [any UpdateRule] = [
    AdaGrad(learningRate: 0.1), RMSProp(learningRate: 0.01), AdaDelta(),
  ]

  /// The values of a rule in each step.
  struct History {
    /// Σ|Δx| / Σ|g|.
    var rates: [Double] = []
    /// The mean of ½(x − c)² over the weights.
    var losses: [Double] = []
  }

  /// The histories of the rules with a fixed minimum.
  let still: [History]
  let moving: [History]
  let digest: Digest

  init(on engine: EngineChoice, steps: Int = 10_000) throws {
    let (still, stillDigest) = try Self.run(on: engine, steps: steps, drift: 0)
    let (moving, movingDigest) = try Self.run(on: engine, steps: steps, drift: Self.drift)
    (self.still, self.moving) = (still, moving)
    digest = Digest([stillDigest, movingDigest])
  }

  private static func run(
    on engine: EngineChoice, steps: Int, drift: Double
  ) throws -> ([History], Digest) {
    let start = [Float](repeating: 1, count: weightCount)
    var trials = try rules.map { try Trial($0, from: start, on: engine) }
    var histories = rules.map { _ in History() }
    var generator = SplitMix64(seed: 1)
    for step in 1...steps {
      let minimum = drift * Double(step)
      // Uniform numbers in ±√3 have variance 1. Every rule gets the same ones.
      let noise = start.map { _ in (2 * generator.uniform() - 1) * 3.0.squareRoot() }
      for index in trials.indices {
        let gradients = zip(trials[index].weights, noise).map {
          Float(Double($0) - minimum + $1)
        }
        let before = trials[index].weights
        try trials[index].step(gradients)
        histories[index].record(before, gradients, trials[index].weights, minimum)
      }
    }
    return (histories, Digest(trials.map(\.digest)))
  }

  /// The ratio of the mean rate in the last tenth of the steps to that around step 100.
  func fall(ofRate rule: Int) -> Double {
    still[rule].rates.suffix(still[rule].rates.count / 10).mean / still[rule].rates[49..<150].mean
  }

  /// The mean loss over the last tenth of the steps.
  static func finalLoss(_ history: History) -> Double {
    history.losses.suffix(history.losses.count / 10).mean
  }
}

extension DyingRates.History {
  fileprivate mutating func record(
    _ before: [Float], _ gradients: [Float], _ after: [Float], _ minimum: Double
  ) {
    let way = zip(before, after).reduce(0) { $0 + abs(Double($1.0) - Double($1.1)) }
    rates.append(way / gradients.reduce(0) { $0 + abs(Double($1)) })
    let squares = after.reduce(0) {
      $0 + (Double($1) - minimum) * (Double($1) - minimum)
    }
    losses.append(squares / Double(2 * after.count))
  }
}

extension DyingRates {
  var result: FigureResult {
    let falls = Self.rules.indices.map { fall(ofRate: $0) }
    let stillLosses = still.map(Self.finalLoss)
    let movingLosses = moving.map(Self.finalLoss)
    let caption = """
      From around step 100 to the last thousand of 10,000, AdaGrad's rate falls to \
      \(short(falls[0])) of what it was, RMSProp's only to \(short(falls[1])), and AdaDelta's \
      comes to \(short(falls[2])) times what it was. Where the minimum stands still a rate that \
      dies out averages the noise away: AdaGrad ends at a loss of \(short(stillLosses[0])), \
      RMSProp at \(short(stillLosses[1])), AdaDelta at \(short(stillLosses[2])). Where it moves \
      by \(Self.drift) in a step AdaGrad is left behind, at \(short(movingLosses[0])), against \
      \(short(movingLosses[1])) and \(short(movingLosses[2])).
      """
    let names = Self.rules.map { type(of: $0).name }
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: zip(names, falls).map { ("\($0) rate kept", $1) }
        + zip(names, stillLosses).map { ("\($0) loss, still", $1) }
        + zip(names, movingLosses).map { ("\($0) loss, moving", $1) },
      digest: digest)
  }

  private func sheet(_ caption: String) -> PanelSheet {
    let steps = Double(still[0].rates.count)
    let x = Panel.Axis(label: "step", range: 1...steps, kind: .logarithmic)
    func panel(
      _ heading: String, _ label: String, _ range: ClosedRange<Double>,
      _ histories: [History], _ values: KeyPath<History, [Double]>
    ) -> Panel {
      let curves = zip(Self.rules, histories).map { rule, history in
        Panel.Curve(
          name: type(of: rule).title, points: Self.averaged(history[keyPath: values]),
          series: type(of: rule).series)
      }
      return .curves(
        heading: heading, x: x, y: .init(label: label, range: range, kind: .logarithmic), curves)
    }
    return PanelSheet(
      title: "AdaGrad's rate dies out; RMSProp's and AdaDelta's live on",
      description: caption,
      rows: [
        [panel("Noisy gradients", "effective rate, Σ|Δx| / Σ|g|", 5e-4...0.2, still, \.rates)],
        [panel("The minimum stands still", "loss", 1e-4...2, still, \.losses)],
        [
          panel(
            "The minimum moves by \(Self.drift) in a step", "loss", 1e-3...20, moving, \.losses)
        ],
      ])
  }

  /// The means of the values over spans of steps whose length grows by a tenth, each at the middle
  /// of its span.
  private static func averaged(_ values: [Double]) -> [Panel.Place] {
    var places: [Panel.Place] = []
    var first = 0
    while first < values.count {
      let end = min(first + 1 + first / 10, values.count)
      places.append(.init(x: Double(first + 1 + end) / 2, y: values[first..<end].mean))
      first = end
    }
    // The line continues to the end of the axis.
    if let last = places.last { places.append(.init(x: Double(values.count), y: last.y)) }
    return places
  }
}
