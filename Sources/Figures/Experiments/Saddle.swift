import Descent

extension Figure {
  /// Every rule, started near the ridge of a saddle, until it has left the saddle.
  static let saddle = Figure(name: "saddle") { try LeavingASaddle(engine: $0).result }
}

private struct LeavingASaddle {
  private static let surface = Surfaces.saddle
  /// A rule has left when it is this far down a side.
  private static let leftAt = 1.0
  private static let near = Surface.Point(x: -1.8, y: 1e-3)
  /// A start that is a thousand times closer to the ridge.
  private static let nearer = Surface.Point(x: -1.8, y: 1e-6)
  private static let steps = 720
  /// The rules whose paths are drawn, in this order, and the positions of their names relative to
  /// the ends.
  private static let drawnRules:
    [(type: any UpdateRule.Type, dx: Double, dy: Double, anchor: Drawing.Anchor)] = [
      (Momentum.self, 0, -11, .middle), (RMSProp.self, 0, -11, .middle),
      (Adam.self, 10, 14, .start),
      (SGD.self, 0, 22, .middle),
    ]

  private struct Departure {
    let type: any UpdateRule.Type
    let rate: Double
    let walk: Walk
    /// The walk from the closer start.
    let nearerWalk: Walk

    var title: String { "\(type)" }
    var steps: Int? { LeavingASaddle.stepsToLeave(walk) }
    var nearerSteps: Int? { LeavingASaddle.stepsToLeave(nearerWalk) }
  }

  private let departures: [Departure]

  init(engine: EngineChoice) throws {
    departures = try ComparedRules.all.map { type in
      let rate = Self.rate(of: type)
      let rule = Self.surface.rule(type, learningRate: rate)
      func walk(from start: Surface.Point) throws -> Walk {
        try Walk(rule, on: Self.surface, from: start, steps: Self.steps, engine: engine)
      }
      return Departure(
        type: type, rate: rate, walk: try walk(from: Self.near),
        nearerWalk: try walk(from: Self.nearer))
    }
  }

  /// 0.01 except for two rules: AdaGrad's rates only ever decrease, and AdaDelta's steps come from
  /// its own history.
  private static func rate(of type: any UpdateRule.Type) -> Double {
    if type == AdaGrad.self { return 0.1 }
    return type == AdaDelta.self ? 1 : 0.01
  }

  private static func stepsToLeave(_ walk: Walk) -> Int? {
    walk.points.firstIndex { abs($0.y) > leftAt }
  }

  private func departure(_ type: any UpdateRule.Type) -> Departure? {
    departures.first { $0.type == type }
  }

  private var drawnSteps: Int { departure(Momentum.self)?.steps ?? 0 }

  var result: FigureResult {
    let caption = caption
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: departures.flatMap { departure in
        let name = departure.type.name
        return [
          (name, departure.steps.map(Double.init) ?? .nan),
          (name + " from nearer", departure.nearerSteps.map(Double.init) ?? .nan),
        ]
      }, digest: Digest(departures.flatMap { [$0.walk, $0.nearerWalk] }))
  }

  private var caption: String {
    func steps(_ type: any UpdateRule.Type) -> String { text(departure(type)?.steps) }
    func nearer(_ type: any UpdateRule.Type) -> String { text(departure(type)?.nearerSteps) }
    let others = departures.filter { $0.type != SGD.self }.compactMap(\.steps)
    return "Steps on x² − y² from (−1.8, 0.001) until |y| is above 1: SGD \(steps(SGD.self)),"
      + " every other method \(others.min() ?? 0) to \(others.max() ?? 0). From y = 0.000001, where"
      + " the slope is a thousand times smaller, SGD needs \(nearer(SGD.self)) and momentum"
      + " \(nearer(Momentum.self)) instead of \(steps(Momentum.self)), but Adam"
      + " \(nearer(Adam.self)) as before. Rates: 0.01, AdaGrad 0.1, AdaDelta 1."
  }

  private func text(_ steps: Int?) -> String { steps.map { "\($0)" } ?? "more than \(Self.steps)" }

  private func sheet(_ caption: String) -> PanelSheet {
    PanelSheet(
      title: "Near a saddle SGD stalls; momentum and rates per parameter lead away",
      description: caption, rows: [[paths, counts]])
  }

  private var paths: Panel {
    var surface = Self.surface
    surface.domain.x = -2...1
    var marks: [Panel.Mark] = []
    for (type, dx, dy, anchor) in Self.drawnRules {
      guard let index = ComparedRules.all.firstIndex(where: { $0 == type }) else { continue }
      let departure = departures[index]
      let last = min(departure.steps ?? drawnSteps, drawnSteps)
      let end = departure.walk.points[last]
      marks += [
        .line(Array(departure.walk.points[...last]), series: index),
        .marks([end], series: index, radius: 5),
        .label(departure.title, at: end, dx: dx, dy: dy, anchor: anchor),
      ]
    }
    return .surface(
      surface, heading: "Paths until they leave, for \(drawnSteps) steps at most",
      marks: marks + [.starts([Self.near])])
  }

  private var counts: Panel {
    let rows = departures.enumerated().map { (index: $0.offset, height: -Double($0.offset)) }
    var marks: [Panel.Mark] = []
    for ((index, height), departure) in zip(rows, departures) {
      guard let steps = departure.steps, let nearer = departure.nearerSteps else { continue }
      let (first, second) = (
        Panel.Place(x: Double(steps), y: height), Panel.Place(x: Double(nearer), y: height)
      )
      marks += [
        .grid([.init(x: 5, y: height), second]), .starts(nearer == steps ? [] : [second]),
        .marks([first], series: index, radius: 5),
        .label("\(steps)", at: first, dx: -9, dy: 5, anchor: .end),
        .label("\(nearer)", at: second, dx: 9, dy: 5),
      ]
    }
    return Panel(
      heading: "Steps to leave, from y = 0.001 (mark) and from 0.000001 (ring)",
      x: .init(label: "steps", range: 5...3000, kind: .logarithmic),
      y: .init(
        label: "", range: -Double(departures.count) + 0.5...0.5,
        ticks: zip(rows, departures).map { .init(value: $0.height, label: $1.title) }),
      height: 225, marks: marks)
  }
}
