import Testing

@testable import Figures

@Suite struct DrawingTests {
  @Test(
    arguments: [
      (0, "0"), (-0.001, "0"), (1, "1"), (-1.5, "-1.5"), (2.05, "2.05"), (0.994, "0.99"),
      (0.996, "1"), (-0.25, "-0.25"), (1e20, "1000000000"), (.nan, "0"),
    ] as [(Double, String)])
  func numbersAreShortAndPlain(value: Double, text: String) {
    #expect(Drawing.number(value) == text)
  }

  @Test func textIsEscaped() {
    var drawing = Drawing(width: 10, height: 10, title: "a<b", description: "\"&\u{1B}")
    drawing.text("<&>\"'\u{0}\u{FFFF}é\n", at: .init(x: 0, y: 0))
    #expect(drawing.svg.contains("<title>a&lt;b</title>\n<desc>&quot;&amp;\u{FFFD}</desc>"))
    #expect(drawing.svg.contains(">&lt;&amp;&gt;&quot;'\u{FFFD}\u{FFFD}é </text>"))
  }
}
