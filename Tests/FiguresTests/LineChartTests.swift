import Testing

@testable import Figures

@Suite struct LineChartTests {
  private func chart(_ points: [(Double, Double)]...) -> LineChart {
    LineChart(
      title: "Loss", description: "Falls.", xLabel: "epoch", yLabel: "loss",
      series: points.enumerated().map { Series(name: "s\($0.offset)", points: $0.element) },
      width: 300, height: 200)
  }

  /// The coordinates of the paths of a class.
  private func paths(_ name: String, in svg: String) -> [String] {
    svg.split(separator: "\n").filter { $0.hasPrefix("<path class=\"\(name)") }.map {
      String($0.split(separator: " d=\"")[1].dropLast(3))
    }
  }

  @Test func aTinyChartHasTheseBytes() {
    var chart = chart([(0, 2), (1, 1), (2, 0.5)], [(0, 2), (1, .nan), (2, 1)])
    chart.title = "Loss < 3 & \"falling\""
    #expect(chart.svg() == golden)
    #expect(chart.svg() == chart.svg())
  }

  @Test func pointsThatAreNotFiniteBreakTheLine() {
    let svg = chart([(0, 1), (1, 1), (2, .nan), (3, 2), (4, .infinity), (5, 1), (6, 2)]).svg()
    #expect(paths("line", in: svg).count == 2)
    // The single point between the gaps.
    #expect(paths("dot", in: svg).count == 1)
  }

  @Test func valuesOffTheScaleLeadToTheEdge() {
    var chart = chart([(0, 1), (2, 5), (4, 5), (6, 1), (8, -1)])
    chart.yRange = 0...3
    let lines = paths("line", in: chart.svg())
    #expect(lines == ["M27.1 117.33L54.19 64", "M162.54 64L189.63 117.33L216.71 144"])
    // The line leaves and enters between one point and the next.
    chart.series[0].points = [(0, 1), (4, 5), (8, 1)]
    #expect(
      paths("line", in: chart.svg()) == ["M27.1 117.33L81.28 64", "M189.63 64L243.8 117.33"])
    chart.yScale = .logarithmic
    chart.yRange = 0.1...1
    chart.series[0].points = [(0, 1), (1, 0), (2, -1), (3, 1)]
    #expect(paths("line", in: chart.svg()) == ["M42.08 64L42.3 144", "M243.58 144L243.8 64"])
  }

  @Test func aSeriesWithoutValuesIsNamedAllTheSame() {
    let svg = chart([(0, .nan)], []).svg()
    #expect(svg.contains(">s0 (no values)<"))
    #expect(svg.contains(">s1 (no values)<"))
  }

  @Test func aLineThatStopsEarlyIsMarked() {
    let svg = chart([(0, 1), (1, 2), (2, .nan)], [(0, 1), (2, 2)]).svg()
    #expect(paths("dot series0", in: svg).count == 1)
    #expect(paths("dot series1", in: svg).isEmpty)
    #expect(svg.contains("<path class=\"leader series0\" stroke-dasharray=\"1 4\""))
  }

  @Test func manyLabelsMakeTheChartHigher() {
    let points: [[(Double, Double)]] = Array(repeating: [(0, 1), (1, 2)], count: 30)
    var chart = chart()
    chart.series = points.enumerated().map { Series(name: "s\($0.offset)", points: $0.element) }
    #expect(chart.svg().contains("height=\"642\""))
    chart.series = []
    #expect(chart.svg().contains("height=\"200\""))
  }

  @Test func longNamesAreShortened() {
    var chart = chart([(0, 1), (1, 2)])
    chart.series[0].name = String(repeating: "long ", count: 20)
    #expect(chart.svg().contains(">long long lon…<"))
  }

  @Test(
    arguments: [
      ([10, 50, 90], [10, 50, 90]),
      ([50, 50, 50], [30, 50, 70]),
      ([50, 49, 51], [50, 30, 70]),
      ([0, 0, 100], [0, 20, 100]),
      ([100, 100, 100], [60, 80, 100]),
      ([-5, 200], [0, 100]),
      ([40, 50, 90], [35, 55, 90]),
      ([], []),
    ] as [([Double], [Double])])
  func labelsArePushedApart(heights: [Double], expected: [Double]) {
    #expect(LineChart.spread(heights, apart: 20, in: 0...100) == expected)
  }
}

private let golden = """
  <svg xmlns="http://www.w3.org/2000/svg" class="drawing" role="img" width="300" height="200" viewBox="0 0 300 200" style="max-width:100%;height:auto">
  <title>Loss &lt; 3 &amp; &quot;falling&quot;</title>
  <desc>Falls.</desc>
  <style>
  .drawing{color:#1f2328;font:14px system-ui,sans-serif}
  .drawing text{fill:currentColor}
  .drawing path{fill:none;stroke:currentColor}
  .drawing .ground{fill:#ffffff}
  .drawing .title{font-weight:600}
  .drawing .grid{stroke-opacity:.15}
  .drawing .line{stroke-width:2;stroke-linejoin:round}
  .drawing .dot{stroke-width:5;stroke-linecap:round}
  .drawing .leader{stroke-width:1}
  .drawing .series0{stroke:#3c97da}
  .drawing .series1{stroke:#af4210}
  @media (prefers-color-scheme:dark){
  .drawing{color:#e6edf3}
  .drawing .ground{fill:#0d1117}
  .drawing .series0{stroke:#69b9f5}
  .drawing .series1{stroke:#c14504}
  }
  </style>
  <rect class="ground" width="100%" height="100%"/>
  <text class="title" x="12" y="25.5">Loss &lt; 3 &amp; &quot;falling&quot;</text>
  <text x="12" y="50">loss</text>
  <text x="135.45" y="188" text-anchor="middle">epoch</text>
  <path class="grid" d="M27.1 144L243.8 144"/>
  <text x="21.1" y="149" text-anchor="end">0</text>
  <path class="grid" d="M27.1 104L243.8 104"/>
  <text x="21.1" y="109" text-anchor="end">1</text>
  <path class="grid" d="M27.1 64L243.8 64"/>
  <text x="21.1" y="69" text-anchor="end">2</text>
  <path class="axis" d="M27.1 144L27.1 149"/>
  <text x="27.1" y="164" text-anchor="middle">0</text>
  <path class="axis" d="M135.45 144L135.45 149"/>
  <text x="135.45" y="164" text-anchor="middle">1</text>
  <path class="axis" d="M243.8 144L243.8 149"/>
  <text x="243.8" y="164" text-anchor="middle">2</text>
  <path class="axis" d="M27.1 64L27.1 144L243.8 144"/>
  <path class="line series0" d="M27.1 64L135.45 104L243.8 124"/>
  <path class="dot series1" d="M27.1 64h0"/>
  <path class="dot series1" d="M243.8 104h0"/>
  <path class="leader series0" d="M243.8 124L265.8 124"/>
  <text x="269.8" y="129">s0</text>
  <path class="leader series1" d="M243.8 104L265.8 104"/>
  <text x="269.8" y="109">s1</text>
  </svg>

  """
