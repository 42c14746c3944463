import Descent
import Foundation
import Testing

@testable import Figures
@testable import descent_tool

@Suite struct BenchReportTests {
  private func row(
    _ rule: String, _ device: String, count: Int = 1000, _ memoryCase: MemoryCase = .resident,
    step: Double, pass: Double?
  ) -> BenchmarkRow {
    var row = BenchmarkRow(
      rule: rule, device: device, count: count, tensors: 1, memoryCase: memoryCase,
      bytesPerStep: 28 * count, launchesPerStep: 1,
      passes: pass == nil ? nil : [PassStreams(read: 1, written: 3)])
    if let pass { row.samples.append(step: step, pass: pass) } else { row.samples.append(step) }
    return row
  }

  private var report: BenchmarkReport {
    BenchmarkReport(
      rows: [
        row("copy", "opencl:0", step: 1e-6, pass: nil),
        row("adam", "opencl:0", step: 2e-6, pass: 1e-6),
        row("adam", "opencl:0", .pinned, step: 1e-3, pass: 1e-6),
      ],
      machines: [.init(name: "opencl:0", description: "Fast & <new>", driver: "1.0")],
      subject: "1000 elements", advice: ["pinned is yours."])
  }

  @Test func theTableHasTheCaseWhereThereAreSeveral() {
    #expect(
      report.table.rendered() == """
        rule  device    case      median ms   min ms  GB/s  of ceiling  parameters/s  launches
        ────  ────────  ────────  ─────────  ───────  ────  ──────────  ────────────  ────────
        adam  opencl:0  resident    0.00200  0.00200  14.0        0.50         5e+08         1
        adam  opencl:0  pinned        1.000    1.000   0.0        0.00         1e+06         1
        """)
    #expect(
      report.ceilings.rendered() == """
        device    elements  pass                             GB/s
        ────────  ────────  ───────────────────────────────  ────
        opencl:0      1000  plain copy                       28.0
        opencl:0      1000  parameters, gradients, 2 states  28.0
        """)
  }

  @Test func bytesAreWrittenUnderTheseKeysAlone() throws {
    let rows = report.rows
    let data = try JSONEncoder().encode(rows[1])
    let values = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    #expect(
      Set(values.keys) == [
        "rule", "device", "count", "tensors", "case", "medianSeconds", "minimumSeconds",
        "bytesPerStep", "ceilingSeconds", "fractionOfCeiling", "launchesPerStep",
      ])
    #expect(values["case"] as? String == "resident")
    #expect(values["fractionOfCeiling"] as? Double == 0.5)
    let copy = try JSONSerialization.jsonObject(with: JSONEncoder().encode(rows[0]))
    #expect((copy as? [String: Any])?["ceilingSeconds"] is NSNull)
  }

  @Test func thePageNeedsNothingElse() {
    let page = HTMLReport(
      report: report, version: "1.2", made: "today", json: "{\n  \"a\" : \"<\"\n}"
    ).html
    #expect(page.contains("<pre>{\n  &quot;a&quot; : &quot;&lt;&quot;\n}</pre>"))
    #expect(page.contains("<td>Fast &amp; &lt;new&gt;</td>"))
    #expect(page.contains("descent 1.2; today"))
    #expect(page.contains("<li>pinned is yours.</li>"))
    #expect(page.contains("prefers-color-scheme:dark"))
    #expect(page.components(separatedBy: "<svg").count == 2)
    for reference in ["src=", "href=", "url(", "@import"] { #expect(!page.contains(reference)) }
  }

  @Test func aSweepIsDrawnByRule() {
    var sweep = report
    sweep.isSweep = true
    sweep.machines.append(.init(name: "cpu", description: "", driver: ""))
    sweep.rows = [1 << 10, 1 << 15, 1 << 20].flatMap { count in
      ["adam", "sgd", "momentum"].flatMap { rule in
        [
          row(rule, "opencl:0", count: count, step: 1e-5, pass: 1e-5),
          row(rule, "cpu", count: count, step: Double(count) * 1e-9, pass: 1e-5),
        ]
      }
    }
    let svg = sweep.plot
    for text in ["adam", "sgd", "momentum", "1 Ki", "32 Ki", "1 Mi"] {
      #expect(svg.contains(">\(text)</text>"))
    }
    #expect(svg.components(separatedBy: "<path class=\"line series1\"").count == 4)
    #expect(
      sweep.overtakings.contains("adam: opencl:0 overtakes cpu at about 9.8 Ki elements"))
  }
}

@Suite struct BarChartTests {
  private var chart: BarChart {
    BarChart(
      title: "Speed", description: "d", unit: "GB/s", series: ["cpu", "gpu"],
      groups: [
        .init(
          name: "adam",
          bars: [
            .init(series: 0, value: 50, mark: 60, note: "50"),
            .init(series: 1, value: 100, note: "100"),
          ]),
        .init(name: "sgd", bars: [.init(series: 1, value: .nan, note: "none")]),
      ])
  }

  @Test func barsAreAsLongAsTheirValues() {
    let svg = chart.svg()
    func widths(_ name: String) -> [Double] {
      svg.split(separator: "\n").filter { $0.hasPrefix("<path class=\"\(name)\"") }.map { line in
        let numbers = line.split(separator: " d=\"")[1].split { "MLZ \"/>".contains($0) }
          .compactMap { Double($0) }
        return numbers[2] - numbers[0]
      }
    }
    // The first of each is the legend's.
    #expect(widths("bar0")[0] == 11)
    #expect(abs(widths("bar1")[1] - 2 * widths("bar0")[1]) < 0.02)
    #expect(widths("bar1")[1] > 400)
    #expect(widths("bar1")[2] == 0)
    #expect(widths("mark") == [0])
    #expect(svg.contains(">none</text>"))
    #expect(svg == chart.svg())
  }

  @Test func nothingToShowIsNoFailure() {
    var empty = chart
    (empty.series, empty.groups) = ([], [])
    #expect(empty.svg().contains(">Speed</text>"))
  }
}
