import Descent
import Testing

@testable import Figures

@Suite struct PanelSheetTests {
  private func paths(_ name: String, in svg: String) -> [Substring] {
    svg.split(separator: "\n").filter { $0.hasPrefix("<path class=\"\(name)") }
  }

  private func svg(_ marks: [Panel.Mark], y: Panel.Axis? = nil, height: Double? = 100) -> String {
    let axis = Panel.Axis(label: "y", range: 0...1)
    let panel = Panel(
      heading: "Panel", x: .init(label: "x", range: 0...2), y: y ?? axis, height: height,
      marks: marks)
    return PanelSheet(title: "A & b", description: "Says < more.", rows: [[panel]]).svg()
  }

  @Test("the title and the description are there for readers who cannot see")
  func texts() {
    let svg = svg([])
    #expect(svg.contains("<title>A &amp; b</title>\n<desc>Says &lt; more.</desc>"))
    #expect(svg.contains("role=\"img\""))
  }

  /// Fails without the clipping.
  @Test("lines end at the frame, and marks outside are not drawn")
  func clipping() {
    let svg = svg([
      .line([.init(x: 1, y: 0.5), .init(x: 1, y: 5)], series: 0),
      .marks([.init(x: 1, y: 0.5), .init(x: 1, y: 5), .init(x: .nan, y: 0)], series: 0),
    ])
    // From the middle of the plot to its top, which is below title, heading and axis label.
    #expect(
      paths("line", in: svg) == ["<path class=\"line series0\" d=\"M296.54 136L296.54 86\"/>"])
    #expect(paths("mark", in: svg).count == 1)
  }

  @Test("what has no logarithm leaves a logarithmic plot by its lower edge")
  func logarithm() {
    let svg = svg(
      [.line([.init(x: 0, y: 1), .init(x: 1, y: 0), .init(x: 2, y: 1)], series: 0)],
      y: .init(label: "y", range: 0.01...1, kind: .logarithmic))
    #expect(paths("line", in: svg).count == 2)
  }

  @Test("without a height a unit is as long upwards as sideways")
  func units() {
    let svg = svg([.arrow(from: .init(x: 0, y: 0), to: .init(x: 1, y: 1), series: 0)], height: nil)
    let head = paths("head", in: svg).first?.split(separator: "M").last?.split(separator: "L")
    let tip = head?.first?.split(separator: " ").compactMap { Double($0) } ?? []
    let origin =
      paths("line", in: svg).first?.split(separator: "M").last?.split(separator: "L")
      .first?.split(separator: " ").compactMap { Double($0) } ?? []
    #expect(tip.count == 2 && origin.count == 2)
    #expect(abs((tip[0] - origin[0]) - (origin[1] - tip[1])) < 0.02)
  }

  @Test("lines over contours have a ground of their own, but for those on a broad line")
  func halos() {
    let line = [Panel.Place(x: 0, y: 0), .init(x: 1, y: 1)]
    #expect(paths("halo", in: svg([.line(line, series: 0)])).isEmpty)
    let contours = Panel.Mark.contours(Surfaces.parabola)
    #expect(paths("halo", in: svg([contours, .line(line, series: 0)])).count == 1)
    let broad = Panel.Mark.line(line, series: 1, isBroad: true)
    #expect(paths("halo", in: svg([contours, broad, .line(line, series: 0)])).isEmpty)
  }

  @Test("a walk that stays near is told from one that only passes")
  func staying() throws {
    let there = try Walk(SGD(learningRate: 0.25), on: Surfaces.parabola, steps: 20)
    // The distance of 2.11 is halved by each step.
    #expect(there.stepsToStay(within: 0.5) == 3)
    #expect(there.stepsToStay(within: 3) == 0)
    #expect(there.stepsToStay(within: 1e-9) == nil)
    let across = try Walk(SGD(learningRate: 1), on: Surfaces.parabola, steps: 5)
    #expect(across.stepsToStay(within: 1) == nil)
    #expect(try Walk(SGD(), on: Surfaces.saddle, steps: 5).stepsToStay(within: 1) == nil)
  }
}
