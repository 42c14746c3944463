import Descent
import Training

extension Figure {
  /// Every rule on handwritten digits, over ten seeds.
  static let realData = Figure(
    name: "real-data",
    makeFromData: { try RealData(of: Dataset.load(path: $1), on: $0).result })
}

/// Every rule trains the classifier from each seed's starting point, on each seed's split.
struct RealData {
  /// The results of a rule, one for each seed.
  struct Row {
    let type: any UpdateRule.Type
    var outcomes: [Trainer.Outcome] = []

    var losses: [Double] { outcomes.map(\.finalLoss) }
    var accuracies: [Double] { outcomes.map { 100 * $0.testAccuracy } }

    /// The first epoch after which the mean loss is below 0.1; nil if none is.
    var epochsToTenth: Int? { curve.firstIndex { $0 < 0.1 } }

    /// The mean loss before the first epoch and after each.
    var curve: [Double] {
      guard let first = outcomes.first else { return [] }
      return first.losses.indices.map { epoch in outcomes.map { $0.losses[epoch] }.mean }
    }
  }

  let rows: [Row]
  let epochs: Int
}

extension RealData {
  init(
    of digits: Dataset, on engine: EngineChoice, seeds: Int = 10, epochs: Int = 20,
    hidden: Int = 64
  ) throws {
    var rows = ComparedRules.all.map { Row(type: $0) }
    for seed in 1...UInt64(seeds) {
      let (training, test) = digits.split(seed: seed)
      let trainer = Trainer(
        training: training.standardised(by: training), test: test.standardised(by: training),
        hidden: hidden, epochs: epochs, seed: seed)
      for index in rows.indices {
        let rule = Trainer.rule(rows[index].type, learningRate: nil)
        rows[index].outcomes.append(try trainer.run(rule, on: engine))
      }
    }
    self.init(rows: rows, epochs: epochs)
  }

  var result: FigureResult {
    let accuracies = rows.map(\.accuracies.mean)
    let losses = rows.map(\.losses.mean)
    let spreads = rows.map { Self.spread($0.accuracies) }
    let caption = """
      \(rows.count) methods, each at the one rate that `descent train` gives it, \(epochs) epochs \
      on the digits from each of \(rows[0].outcomes.count) seeds. Their mean test accuracies lie \
      between \(short(accuracies.min() ?? .nan, digits: 3)) and \
      \(short(accuracies.max() ?? .nan, digits: 3)) %, \(short(Self.spread(accuracies))) points \
      apart; from seed to seed one method's differ by \(short(spreads.min() ?? .nan)) to \
      \(short(spreads.max() ?? .nan)) points. In training they differ more: \(Self.text(of: rows)).
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: zip(rows, accuracies).map { ("\($0.type.name) accuracy", $1) }
        + zip(rows, spreads).map { ("\($0.type.name) accuracy spread", $1) }
        + zip(rows, losses).map { ("\($0.type.name) loss", $1) }
        + rows.compactMap { row in
          row.epochsToTenth.map { ("\(row.type.name) epochs", Double($0)) }
        },
      digest: Digest(rows.flatMap { $0.outcomes.map(\.digest) }))
  }

  private static func spread(_ values: [Double]) -> Double {
    (values.max() ?? .nan) - (values.min() ?? .nan)
  }

  private static func text(of rows: [Row]) -> String {
    let reached = rows.compactMap { row in row.epochsToTenth.map { (row.type.title, $0) } }
    guard let first = reached.min(by: { $0.1 < $1.1 }), let last = reached.max(by: { $0.1 < $1.1 })
    else { return "none comes below a loss of 0.1" }
    return "the mean loss is below 0.1 after epoch \(first.1) with \(first.0), after epoch"
      + " \(last.1) with \(last.0)"
  }

  func sheet(_ caption: String) -> PanelSheet {
    PanelSheet(
      title: "On the digits every method arrives, and the seed matters more than the method",
      description: caption, rows: [[lossPanel], [finalLossPanel], [accuracyPanel]])
  }

  private var seeds: String { "\(rows[0].outcomes.count) seeds" }

  private var lossPanel: Panel {
    .curves(
      heading: "The mean over \(seeds)", x: .init(label: "epoch", range: 0...Double(epochs)),
      y: Self.logarithmic("training loss", over: rows.flatMap(\.curve)), height: 240,
      rows.map { row in
        .init(
          name: row.type.title,
          points: row.curve.enumerated().map { .init(x: Double($0.offset), y: $0.element) },
          series: row.type.series)
      })
  }

  private var finalLossPanel: Panel {
    .ranges(
      heading: "Least, mean and greatest loss of \(seeds)",
      x: Self.logarithmic("training loss after \(epochs) epochs", over: rows.flatMap(\.losses)),
      rows.map { ($0.type.title, $0.losses, $0.type.series) })
  }

  private var accuracyPanel: Panel {
    let all = rows.flatMap(\.accuracies)
    return .ranges(
      heading: "Least, mean and greatest accuracy of \(seeds)",
      x: .init(
        label: "test accuracy after \(epochs) epochs, %",
        range: (all.min() ?? 0) - 0.3...(all.max() ?? 100) + 0.3),
      rows.map { ($0.type.title, $0.accuracies, $0.type.series) })
  }

  /// A logarithmic axis with margins around the values.
  private static func logarithmic(_ label: String, over values: [Double]) -> Panel.Axis {
    let positive = values.filter { $0 > 0 && $0.isFinite }
    let (low, high) = (positive.min() ?? 0.1, positive.max() ?? 1)
    return .init(label: label, range: low / 1.3...high * 1.3, kind: .logarithmic)
  }
}
