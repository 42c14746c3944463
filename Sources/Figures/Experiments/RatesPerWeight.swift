import Descent
import Training

extension Figure {
  /// AdaGrad's rate for each input weight on handwritten digits, compared with SGD's.
  static let ratesPerWeight = Figure(
    name: "rates-per-weight",
    makeFromData: {
      try RatesPerWeight(of: Digits.withUnitPixels(path: $1), on: $0).result
    })
}

/// A classifier on digits whose outer columns are nearly always empty, trained by AdaGrad and by
/// SGD.
struct RatesPerWeight {
  static let side = 8
  /// The rates are tuned: for neither rule is another rate of 1, 2 or 5 times a power of ten better
  /// by more than a tenth, measured by the mean loss of ten seeds after 20 epochs.
  static let adaGrad = AdaGrad(learningRate: 0.1)
  static let sgd = SGD(learningRate: 0.5)

  let seeds: Int
  /// The mean losses over the seeds, before the first epoch and after each.
  let adaGradLosses: [Double]
  let sgdLosses: [Double]
  /// For each pixel AdaGrad's rate at the end, η / (√s + ε): the median over the weights from that
  /// pixel to hidden units whose s is not 0. Nil for a pixel that is empty in all digits.
  let rates: [Double?]
  let digest: Digest

  private static func mean(_ runs: [Run]) -> [Double] {
    runs[0].losses.indices.map { epoch in runs.map { $0.losses[epoch] }.mean }
  }

  private static func medianRate(ofPixel pixel: Int, _ runs: [Run]) -> Double? {
    let pixels = side * side
    let sums = runs.flatMap { run in
      stride(from: pixel, to: run.sums.count, by: pixels).map { Double(run.sums[$0]) }
    }
    let rates = sums.filter { $0 > 0 }
      .map { adaGrad.learningRate / ($0.squareRoot() + adaGrad.epsilon) }.sorted()
    return rates.isEmpty ? nil : rates[rates.count / 2]
  }

  /// The median rate over the pixels of some columns. Pixels without a rate are ignored.
  func medianRate(ofColumns columns: [Int]) -> Double {
    let rates = rates.indices.filter { columns.contains($0 % Self.side) }
      .compactMap { self.rates[$0] }.sorted()
    return rates.isEmpty ? .nan : rates[rates.count / 2]
  }
}

extension RatesPerWeight {
  init(
    of digits: Dataset, on engine: EngineChoice, seeds: Int = 10, hidden: Int = 32, epochs: Int = 20
  ) throws {
    func runs(_ rule: any UpdateRule) throws -> [Run] {
      try (1...UInt64(seeds)).map {
        try Run(rule, on: digits, seed: $0, hidden: hidden, epochs: epochs, engine: engine)
      }
    }
    let (adaGrad, sgd) = (try runs(Self.adaGrad), try runs(Self.sgd))
    self.seeds = seeds
    adaGradLosses = Self.mean(adaGrad)
    sgdLosses = Self.mean(sgd)
    rates = (0..<digits.featureCount).map { Self.medianRate(ofPixel: $0, adaGrad) }
    digest = Digest((adaGrad + sgd).map(\.digest))
  }

  /// The result of one training run.
  struct Run {
    /// The mean loss before the first epoch and after each.
    private(set) var losses: [Double] = []
    /// AdaGrad's s of the weights between pixels and hidden units, a row for each unit.
    let sums: [Float]
    let digest: Digest

    init(
      _ rule: any UpdateRule, on digits: Dataset, seed: UInt64, hidden: Int, epochs: Int,
      engine: EngineChoice
    ) throws {
      var classifier = Classifier(
        featureCount: digits.featureCount, hiddenCount: hidden, classCount: digits.classes.count)
      var trial = try Trial(rule, from: classifier.initialParameters(seed: seed), on: engine)
      var gradients = trial.weights
      var generator = SplitMix64(seed: seed &+ 1)
      var order = Array(0..<digits.count)
      losses.append(Double(classifier.evaluate(parameters: trial.weights, on: digits).loss))
      for _ in 0..<epochs {
        generator.shuffle(&order)
        for start in stride(from: 0, to: order.count, by: 32) {
          let rows = order[start..<min(start + 32, order.count)]
          _ = classifier.lossAndGradient(
            parameters: trial.weights, of: digits, rows: rows, gradient: &gradients)
          try trial.step(gradients)
        }
        losses.append(Double(classifier.evaluate(parameters: trial.weights, on: digits).loss))
      }
      let count = hidden * digits.featureCount
      sums = rule is AdaGrad ? Array(try trial.state("sum").prefix(count)) : []
      digest = trial.digest
    }
  }
}

extension RatesPerWeight {
  var result: FigureResult {
    let (outer, inner) = (
      medianRate(ofColumns: [0, Self.side - 1]), medianRate(ofColumns: [2, 3, 4, 5])
    )
    let last = adaGradLosses.count - 1
    let caption = """
      A network with one hidden layer on the digits. After \(last) epochs AdaGrad's rate for a \
      weight from the outer columns, which are nearly always empty, is \(short(outer)); for one \
      from the four middle columns \(short(inner)), \(short(outer / inner)) times less (medians). \
      SGD gives all weights \(Self.sgd.learningRate). After one epoch the mean loss of \(seeds) \
      seeds is \(short(adaGradLosses[1])) with AdaGrad and \(short(sgdLosses[1])) with SGD, after \
      \(last) it is \(short(adaGradLosses[last])) and \(short(sgdLosses[last])).
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: [
        ("adagrad rate, outer columns", outer), ("adagrad rate, middle columns", inner),
        ("sgd rate", Self.sgd.learningRate),
        ("pixels without ink", Double(rates.filter { $0 == nil }.count)),
        ("adagrad loss, first epoch", adaGradLosses[1]), ("sgd loss, first epoch", sgdLosses[1]),
        ("adagrad loss, last epoch", adaGradLosses[last]),
        ("sgd loss, last epoch", sgdLosses[last]),
      ], digest: digest)
  }

  func sheet(_ caption: String) -> PanelSheet {
    let sgd = rates.map { _ in Optional(Self.sgd.learningRate) }
    return PanelSheet(
      title: "AdaGrad gives weights that are rarely used a higher rate; SGD gives all the same",
      description: caption,
      rows: [
        [
          Self.picture("AdaGrad (× = no ink, no step)", rates), Self.picture("SGD", sgd),
        ], [Self.sizes], [lossPanel],
      ])
  }

  /// The rates between the smallest and the largest square. The size of a square grows by the same
  /// amount with each power of ten.
  private static let shown = 0.1...1000

  private static func radius(of rate: Double) -> Double {
    let axis = Scale(
      .logarithmic, over: [shown.lowerBound, shown.upperBound], tickCount: 5, isWidened: false)
    return 2 + 13 * min(max(axis.position(rate) ?? 0, 0), 1)
  }

  /// A square for each pixel of the 8 × 8 images; a larger square means a higher rate of the
  /// pixel's weights.
  private static func picture(_ heading: String, _ rates: [Double?]) -> Panel {
    func place(_ pixel: Int) -> Panel.Place {
      .init(x: Double(pixel % side), y: -Double(pixel / side))
    }
    let marks = rates.enumerated().map { pixel, rate -> Panel.Mark in
      guard let rate else { return .minima([place(pixel)]) }
      return .marks([place(pixel)], series: 1, radius: radius(of: rate))
    }
    let ticks = (0..<side).map { Scale.Tick(value: Double($0), label: "\($0 + 1)") }
    let last = Double(side) - 0.4
    return Panel(
      heading: heading, x: .init(label: "column of the image", range: -0.6...last, ticks: ticks),
      y: .init(
        label: "row", range: -last...0.6,
        ticks: ticks.map { .init(value: -$0.value, label: $0.label) }),
      marks: marks)
  }

  private static let powersOfTen = [0.1, 1, 10, 100, 1000]

  /// The legend of the squares' sizes.
  private static let sizes = Panel(
    heading: "",
    x: .init(
      label: "rate of the weights from a pixel", range: 0.05...2000, kind: .logarithmic,
      ticks: powersOfTen.map { .init(value: $0, label: short($0, digits: 1)) }),
    y: .init(label: "", range: -1...1, ticks: []), height: 30,
    marks: powersOfTen.map {
      .marks([.init(x: $0, y: 0)], series: 1, radius: radius(of: $0))
    })

  private var lossPanel: Panel {
    func curve(_ type: any UpdateRule.Type, _ rate: Double, _ losses: [Double]) -> Panel.Curve {
      .init(
        name: "\(type.title) at \(rate)",
        points: losses.enumerated().map { .init(x: Double($0.offset), y: $0.element) },
        series: type.series)
    }
    return .curves(
      heading: "Mean of \(seeds) seeds, each at about its best rate",
      x: .init(label: "epoch", range: 0...Double(adaGradLosses.count - 1)),
      y: .init(label: "training loss", range: 0.01...5, kind: .logarithmic),
      [
        curve(AdaGrad.self, Self.adaGrad.learningRate, adaGradLosses),
        curve(SGD.self, Self.sgd.learningRate, sgdLosses),
      ])
  }
}
