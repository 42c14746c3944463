import Figures
import Foundation

/// The pictures of a report.
extension BenchmarkReport {
  /// As an SVG document: GB/s by size for a sweep, else bars of GB/s with the ceiling's mark.
  var plot: String { isSweep ? sweepPlot : barPlot }

  private var series: [(device: String, memoryCase: MemoryCase)] {
    machines.flatMap { machine in
      MemoryCase.allCases.filter { memoryCase in
        rows.contains {
          $0.device == machine.name && $0.memoryCase == memoryCase && $0.passes != nil
        }
      }.map { (machine.name, $0) }
    }
  }

  private func name(_ series: (device: String, memoryCase: MemoryCase)) -> String {
    series.memoryCase == .resident
      ? series.device : "\(series.device), \(series.memoryCase.rawValue)"
  }

  private var barPlot: String {
    let series = series
    let groups = unique(rows.filter { $0.passes != nil }.map(\.rule)).map { rule in
      BarChart.Group(
        name: rule,
        bars: series.enumerated().compactMap { index, series in
          let row = rows.first {
            $0.rule == rule && $0.device == series.device && $0.memoryCase == series.memoryCase
          }
          return row.map { row in
            BarChart.Bar(
              series: index, value: row.rate,
              mark: row.memoryCase == .resident ? row.ceilingRate : nil,
              note: Self.decimals(row.rate, row.rate < 10 ? 1 : 0)
                + (row.samples.fractionOfCeiling.map { " · \(Self.decimals($0, 2))" } ?? ""))
          }
        })
    }
    return BarChart(
      title: "Optimizer steps against the memory's own speed: \(subject)",
      description: groups.map { group in
        group.name + ": "
          + group.bars.map { "\(name(series[$0.series])) \($0.note)" }.joined(separator: ", ")
      }.joined(separator: "; "),
      unit: "GB/s · share of the ceiling; the line across a bar is the ceiling",
      series: series.map(name), groups: groups
    ).svg()
  }

  private var sweepPlot: String {
    let rules = unique(rows.filter { $0.passes != nil }.map(\.rule))
    let panels = rules.map(panel)
    return PanelSheet(
      title: "GB/s of a step by the number of elements: "
        + series.enumerated().map { "\(["●", "■", "▲", "◆"][$0 % 4]) \(name($1))" }
        .joined(separator: "  "),
      description: overtakings.joined(separator: "; "),
      rows: stride(from: 0, to: panels.count, by: 2).map {
        Array(panels[$0..<min($0 + 2, panels.count)])
      }
    ).svg()
  }

  private func panel(_ rule: String) -> Panel {
    let mine = rows.filter { $0.rule == rule }
    let counts = mine.map { Double($0.count) }
    let highest = Scale(
      .linear, over: [0] + mine.map(\.rate), tickCount: 5, isWidened: true)
    var marks: [Panel.Mark] = []
    for (index, series) in series.enumerated() {
      let points = mine.filter {
        $0.device == series.device && $0.memoryCase == series.memoryCase
      }.map { Panel.Place(x: Double($0.count), y: $0.rate) }
      marks += [
        .line(points, series: index), .marks(points, series: index, radius: 2.5),
      ]
    }
    let (low, high) = (counts.min() ?? 1, counts.max() ?? 2)
    let ticks = [10, 15, 20, 25].map { (value: Double(1 << $0), label: elements(1 << $0)) }
      .filter { $0.value >= low && $0.value <= high }
    return Panel(
      heading: rule,
      x: .init(
        label: "elements", range: low...max(high, low * 2), kind: .logarithmic,
        ticks: ticks.map { Scale.Tick(value: $0.value, label: $0.label) }),
      y: .init(label: "GB/s", range: highest.range, ticks: highest.ticks), height: 150, marks: marks
    )
  }
}
