import Descent

extension Figure {
  /// How much each rule keeps of a matrix from step to step.
  static let stateMemory = Figure(name: "state-memory") { try StateMemory(on: $0).result }
}

/// The states of every rule, with its default hyper-parameters, over a matrix.
struct StateMemory {
  static let shape = [96, 384]

  /// By rule: its name, and numbers that it keeps for each parameter.
  let rows: [(name: String, numbers: Double)]
  let digest: Digest

  init(on engine: EngineChoice) throws {
    var layout = ParameterLayout()
    try layout.append("matrix", shape: Self.shape)
    var rows: [(name: String, numbers: Double)] = []
    for type in Rules.all {
      let optimizer = try Optimizer(type.init(), layout: layout, on: engine)
      let count = try optimizer.states().values.reduce(0) { $0 + $1.count }
      rows.append((type.title, Double(count) / Double(layout.count)))
    }
    self.rows = rows
    digest = Digest(rows.map { Float($0.numbers) })
  }
}

extension StateMemory {
  var result: FigureResult {
    let sorted = rows.sorted { ($0.numbers, $0.name) < ($1.numbers, $1.name) }
    func numbers(_ name: String) -> Double { rows.first { $0.name == name }?.numbers ?? .nan }
    let caption = """
      Numbers that each rule keeps from step to step for every parameter of a matrix of \
      \(Self.shape[0]) × \(Self.shape[1]): none with SGD, \(short(numbers("Adafactor"))) with \
      Adafactor, \(short(numbers("Lion"))) with Lion and Muon, \(short(numbers("AdamW"))) with \
      AdamW, \(short(sorted.last?.numbers ?? .nan)) with \(sorted.last?.name ?? ""). What a step \
      needs for itself alone is not counted.
      """
    let marks = sorted.enumerated().flatMap { index, row -> [Panel.Mark] in
      let y = -Double(index)
      return [
        .line([.init(x: 0, y: y), .init(x: row.numbers, y: y)], series: 0, isBroad: true),
        .label(short(row.numbers), at: .init(x: row.numbers, y: y), dx: 8, dy: 4),
      ]
    }
    let sheet = PanelSheet(
      title: "From nothing to four numbers a parameter", description: caption,
      rows: [
        [
          Panel(
            heading: "Every rule with its default settings",
            x: .init(label: "numbers for each parameter", range: 0...4.5),
            y: .names(sorted.map(\.name)), height: Panel.Axis.height(ofNames: sorted.count),
            marks: marks)
        ]
      ])
    return FigureResult(
      svg: sheet.svg(), caption: caption, measured: rows.map { ($0.name, $0.numbers) },
      digest: digest)
  }
}
