import Descent
import Testing

@testable import Figures

@Suite struct ContourGridTests {
  private func length(_ outline: [Drawing.Point]) -> Double {
    zip(outline, outline.dropFirst() + outline.prefix(1)).reduce(0) { $0 + $1.0.distance(to: $1.1) }
  }

  @Test("the contour of x² + y² at r² is a circle of radius r", arguments: [0.25, 1.0, 1.7])
  func circle(radius: Double) throws {
    let grid = ContourGrid(x: -2...2, y: -2...2, columns: 80, rows: 100) { x, y in x * x + y * y }
    // Everything between the circle and the grid's edge is above the level.
    let outlines = grid.outlines(above: radius * radius).sorted { length($0) < length($1) }
    #expect(outlines.count == 2)
    let circle = try #require(outlines.first)
    for point in circle {
      // The error of a chord in a cell of 0.05 is at most half its squared length over 4r.
      let distance = (point.x * point.x + point.y * point.y).squareRoot()
      #expect(abs(distance - radius) < 0.0013 / radius, "\(point)")
    }
    #expect(abs(length(circle) - 2 * .pi * radius) < 0.01)
    #expect(abs(length(outlines[1]) - 16) < 1e-9)
  }

  @Test("contours end at the edge exactly, and follow it")
  func edge() throws {
    let grid = ContourGrid(x: 0...4, y: 0...2, columns: 4, rows: 2) { x, _ in x }
    let outline = try #require(grid.outlines(above: 2.25).first)
    #expect(outline.allSatisfy { $0.x >= 2.25 && $0.x <= 4 && $0.y >= 0 && $0.y <= 2 })
    #expect(abs(length(outline) - 2 * (1.75 + 2)) < 1e-12)
    #expect(grid.outlines(above: 4).isEmpty)
    #expect(grid.outlines(above: -1).map(length) == [12])
  }

  @Test("at a pass, the middle decides which heights belong together")
  func pass() {
    func outlines(above level: Double) -> Int {
      ContourGrid(x: 0...1, y: 0...1, columns: 1, rows: 1) { x, y in x == y ? 1 : 0 }
        .outlines(above: level).count
    }
    #expect(outlines(above: 0.4) == 1)
    #expect(outlines(above: 0.6) == 2)
  }

  @Test("every hollow has an outline of its own")
  func hollows() {
    let grid = ContourGrid(x: -2...2, y: -2...2, columns: 20, rows: 20) { x, y in
      x * x * x * x - x * x + y * y
    }
    // Two hollows, and the edge around both.
    #expect(grid.outlines(above: -0.1).count == 3)
    #expect(grid.outlines(above: 0.1).count == 2)
  }
}

@Suite struct PolylineTests {
  @Test("a simplified line is shorter and as good")
  func simplified() {
    let points = (0...100).map { Drawing.Point(x: Double($0), y: $0 < 50 ? 0 : Double($0 - 50)) }
    #expect(
      Polyline.simplified(points, tolerance: 0.1) == [points[0], points[50], points[100]])
    #expect(Polyline.simplified(Array(points.prefix(2)), tolerance: 9) == Array(points.prefix(2)))
    #expect(Polyline.simplified([], tolerance: 1).isEmpty)
    let square = [(0, 0), (1, 0), (2, 0), (2, 2), (0, 2)].map { Drawing.Point(x: $0.0, y: $0.1) }
    #expect(Polyline.simplified(outline: square, tolerance: 0.1).count == 4)
  }

  @Test("arrows stand at equal distances along the line")
  func places() {
    let line = [(0, 0), (3, 0), (3, 4)].map { Drawing.Point(x: $0.0, y: $0.1) }
    let places = Polyline.places(along: line, offset: 1, spacing: 3)
    #expect(places.map(\.point) == [.init(x: 1, y: 0), .init(x: 3, y: 1)])
    #expect(places.map(\.from) == [line[0], line[1]])
    #expect(Polyline.places(along: [line[0], line[0]], offset: 0, spacing: 1).isEmpty)
  }

  private let frame = Frame(left: 0, top: 0, right: 10, bottom: 10)

  private func points(_ places: [(Double, Double)]) -> [Drawing.Point] {
    places.map { Drawing.Point(x: $0.0, y: $0.1) }
  }

  @Test("a path that leaves for good ends at the frame, marked")
  func leaving() {
    let visible = frame.visible(points([(1, 5), (5, 5), (15, 5), (-90, 5), (1e30, 7)]))
    #expect(visible.lines == [points([(1, 5), (5, 5), (10, 5)])])
    #expect(visible.exits.map(\.point) == points([(10, 5)]))
    #expect(visible.end == .init(x: 10, y: 5))
    #expect(visible.isLost)
  }

  @Test("a path that comes back is marked where it left, and ends at its end")
  func returning() {
    let visible = frame.visible(points([(5, 8), (5, 12), (7, 12), (7, 9)]))
    #expect(visible.lines == [points([(5, 8), (5, 10)]), points([(7, 10), (7, 9)])])
    #expect(visible.exits.map(\.point) == points([(5, 10)]))
    #expect(visible.end == .init(x: 7, y: 9))
    #expect(!visible.isLost)
    // The path enters and leaves between two points that are both outside.
    let across = frame.visible(points([(1, 1), (-1, 1), (-1, 5), (11, 5), (11, 6), (9, 6)]))
    #expect(across.lines.contains(points([(0, 5), (10, 5)])))
    #expect(across.exits.count == 2)
  }

  @Test("what is not finite is outside")
  func notFinite() {
    let visible = frame.visible(points([(1, 1), (2, 2), (.infinity, .nan)]))
    #expect(visible.lines == [points([(1, 1), (2, 2)])])
    #expect(visible.end == .init(x: 2, y: 2))
    #expect(visible.exits.map(\.point) == points([(2, 2)]))
    #expect(visible.exits.map(\.from) == points([(1, 1)]))
    #expect(visible.isLost)
    let never = frame.visible(points([(-1, -1), (-5, -5)]))
    #expect(never.lines.isEmpty && never.end == nil && never.isLost)
    #expect(frame.visible([]).end == nil)
  }
}

@Suite struct ContourPlotTests {
  private func levels(_ surface: Surface) -> (levels: [Double], values: [Double]) {
    let grid = ContourGrid(
      x: surface.domain.x, y: surface.domain.y, columns: 100, rows: 100, value: surface.value)
    return (ContourPlot.levels(of: surface, values: grid.values), grid.values.sorted())
  }

  @Test("levels show the valleys", arguments: Surfaces.all)
  func levels(of surface: Surface) {
    let (levels, values) = levels(surface)
    #expect((8...16).contains(levels.count))
    #expect(zip(levels, levels.dropFirst()).allSatisfy { $0 < $1 })
    #expect(levels.allSatisfy { $0 >= values[0] && $0 <= values[values.count - 1] })
    if surface.minima.isEmpty {
      #expect(levels.contains(0))
    } else if surface.name != "plateau" {
      // On the plateau most of the domain is the plain, which is above all walls.
      let low = levels.count { $0 < values[values.count / 2] }
      #expect(low >= levels.count / 3)
    }
  }

  @Test("a constant has no contours")
  func constant() {
    #expect(ContourPlot.levels(of: Surfaces.parabola, values: [1, 1]).isEmpty)
    #expect(ContourPlot.levels(of: Surfaces.parabola, values: []).isEmpty)
  }

  private func plot(_ points: [(Double, Double)]...) -> ContourPlot {
    ContourPlot(
      Surfaces.parabola,
      paths: points.enumerated().map { index, points in
        .init(name: "path <\(index)>", points: points.map { .init(x: $0.0, y: $0.1) })
      })
  }

  private func lines(_ names: String, in svg: String) -> [Substring] {
    svg.split(separator: "\n").filter { $0.hasPrefix("<path class=\"\(names)") }
  }

  @Test("every path has a line, a mark, and a name in the legend")
  func legend() {
    let svg = plot([(1, 1), (0, 0)], [(1, 1), (0.5, 0.5), (0, 1)]).svg()
    for index in 0...1 {
      #expect(lines("line path\(index)", in: svg).count == 2)
      #expect(lines("mark path\(index)", in: svg).count == 2)
      #expect(svg.contains(">path &lt;\(index)&gt;<"))
    }
    // One ring for both paths, and one in the legend.
    #expect(lines("start", in: svg).count == 2)
    #expect(svg.contains(">minimum<"))
    #expect(!plot().svg().contains(">start<"))
  }

  @Test("a path that diverges is drawn to the frame's edge and marked there")
  func diverging() throws {
    let arrows = { (svg: String) in lines("arrow", in: svg).count }
    #expect(arrows(plot([(0, 0), (0.1, 0)]).svg()) == 0)
    let svg = plot([(0, 0), (0.1, 0), (-1e30, 0), (.infinity, .nan)]).svg()
    let layout = ContourLayout(plot([(0, 0)]))
    let edge = Drawing.number(layout.frame.left)
    let height = Drawing.number(layout.place(.init(x: 0, y: 0)).y)
    let line = try #require(lines("line path0", in: svg).first)
    #expect(line.hasSuffix("L\(edge) \(height)\"/>"))
    let outwards = "d=\"M\(Drawing.number(layout.frame.left - 11)) \(height)L"
    #expect(lines("arrow", in: svg).contains { $0.contains(outwards) })
    // No number that XML readers reject is written.
    #expect(!svg.contains("nan") && !svg.contains("inf") && !svg.contains("e+"))
  }

  @Test("marks move from start to end, each as long as its path has steps")
  func animation() throws {
    var plot = plot([(1, 1), (0, 0), (0, 1)], [(1, 1), (-1, 1)], [(1, 1), (9, 1), (99, 1)])
    let still = plot.svg()
    plot.isAnimated = true
    let svg = plot.svg()
    let moving = lines("mark moving", in: svg)
    #expect(moving.count == 3)
    #expect(svg.contains("@media (prefers-reduced-motion:reduce){\n.drawing .moving{display:none}"))
    // Without the moving marks, which cover the still ones where motion is not supported, the
    // drawing is the same.
    let rest = svg.split(separator: "\n").filter {
      !$0.hasPrefix("<path class=\"mark moving") && !$0.contains("reduce")
        && !$0.contains(".moving")
    }
    #expect(rest.filter { $0 != "}" } == still.split(separator: "\n").filter { $0 != "}" })

    func numbers(_ name: String, _ text: Substring) -> [Substring] {
      text.split(separator: "\(name)=\"").last?.split(separator: "\"").first?
        .split(separator: ";") ?? []
    }
    #expect(
      moving.map { numbers("keyTimes", $0) } == [
        ["0", "0.425", "0.85", "1"], ["0", "0.425", "1"], ["0", "0.425", "1"],
      ])
    for mark in moving {
      #expect(numbers("values", mark).count == numbers("keyTimes", mark).count)
      #expect(numbers("values", mark).last == "0,0")
    }
  }

  @Test("even movement needs no keys in between")
  func keys() {
    let frame = Frame(left: 0, top: 0, right: 10, bottom: 10)
    let path =
      (0...6).map { Drawing.Point(x: Double($0), y: 0) }
      + Array(repeating: Drawing.Point(x: 6, y: 0), count: 3)
    let motion = ContourPlot.motion(path, within: frame, end: path[9], steps: 9)
    #expect(motion.keys.map(\.offset.x) == [-6, 0, 0, 0])
    #expect(motion.keys.map(\.time) == [0, 0.85 * 6 / 9, 0.85, 1])
  }

  @Test("the frame keeps one scale on both axes unless it would be too flat")
  func shape() {
    var plot = plot()
    let frame = ContourLayout(plot).frame
    #expect(abs(frame.height / frame.width - 0.75) < 1e-9)
    plot.domain = .init(x: 0...100, y: 0...1)
    let flat = ContourLayout(plot).frame
    #expect(abs(flat.height / flat.width - 0.4) < 1e-9)
    #expect(ContourLayout(plot).y.ticks.count >= 3)
  }
}
