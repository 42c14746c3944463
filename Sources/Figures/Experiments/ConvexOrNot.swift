import Descent

extension Figure {
  /// SGD with the same settings and starts on a bowl and on a surface with four minima.
  static let convexOrNot = Figure(name: "convex-or-not") { try ConvexOrNot(engine: $0).result }
}

private struct ConvexOrNot {
  private static let rule = SGD(learningRate: 0.02)
  private static let steps = 300
  private static let hilly = Surfaces.styblinskiTang

  /// The bowl x² + y² on the domain of the other surface.
  private static let bowl: Surface = {
    var surface = Surfaces.parabola
    surface.domain = hilly.domain
    return surface
  }()

  private static let starts = [-3.6, -1.2, 1.2, 3.6].flatMap { y in
    [-4, -1.3, 1.3, 4].map { Surface.Point(x: $0, y: y) }
  }

  private let onBowl: [Walk]
  private let onHilly: [Walk]

  init(engine: EngineChoice) throws {
    func walks(_ surface: Surface) throws -> [Walk] {
      try Self.starts.map {
        try Walk(Self.rule, on: surface, from: $0, steps: Self.steps, engine: engine)
      }
    }
    (onBowl, onHilly) = (try walks(Self.bowl), try walks(Self.hilly))
  }

  /// The points where walks end; points closer than a hundredth count as one.
  private static func ends(of walks: [Walk]) -> [Surface.Point] {
    var ends: [Surface.Point] = []
    for walk in walks where !ends.contains(where: { $0.distance(to: walk.end) < 0.01 }) {
      ends.append(walk.end)
    }
    return ends
  }

  /// The largest distance of a walk's end from a minimum.
  private var greatestMiss: Double {
    (onBowl + onHilly).map { $0.surface.distanceToMinimum(from: $0.end) ?? .nan }.max() ?? .nan
  }

  var result: FigureResult {
    let (bowlEnds, hillyEnds) = (Self.ends(of: onBowl), Self.ends(of: onHilly))
    let depths = onHilly.map { Self.hilly.value(at: $0.end) }
    let lowest = depths.min() ?? .nan
    let inLowest = depths.filter { $0 < lowest + 0.01 }.count
    let excess = (depths.max() ?? .nan) - lowest
    let caption =
      "SGD at a rate of 0.02, \(Self.steps) steps from the same \(Self.starts.count) starts: on"
      + " the bowl all end in \(bowlEnds.count) place, on the Styblinski–Tang surface in"
      + " \(hillyEnds.count). Only \(inLowest) of them find its lowest point; the worst end lies"
      + " \(Drawing.number(excess, decimals: 1)) higher."
    return FigureResult(
      svg: sheet(caption, bowlEnds.count, hillyEnds.count).svg(), caption: caption,
      measured: [
        ("starts", Double(Self.starts.count)), ("ends on the bowl", Double(bowlEnds.count)),
        ("ends among minima", Double(hillyEnds.count)), ("in the lowest", Double(inLowest)),
        ("worst end above the lowest", excess), ("greatest miss of a minimum", greatestMiss),
      ], digest: Digest(onBowl + onHilly))
  }

  private func sheet(_ caption: String, _ bowlEnds: Int, _ hillyEnds: Int) -> PanelSheet {
    func panel(_ walks: [Walk], _ heading: String) -> Panel {
      let (surface, ends) = (walks[0].surface, Self.ends(of: walks))
      return .surface(
        surface, heading: heading,
        marks: walks.map { .line($0.points, series: 0) } + [
          .starts(Self.starts), .marks(ends, series: 1, radius: 6),
          .label("start", at: Self.starts[12], dx: 10, dy: 5),
          .label("end", at: ends[0], dx: 11, dy: 5),
        ])
    }
    let count = Self.starts.count
    return PanelSheet(
      title: "On a bowl every start leads to one end; among several minima the start decides",
      description: caption,
      rows: [
        [
          panel(onBowl, "Bowl x² + y²: \(count) starts, \(bowlEnds) end"),
          panel(onHilly, "Four minima: \(count) starts, \(hillyEnds) ends"),
        ]
      ])
  }
}
