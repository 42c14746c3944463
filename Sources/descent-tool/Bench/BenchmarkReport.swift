import Descent
import Foundation

/// What was measured, and on what, for people.
struct BenchmarkReport {
  struct Machine: Encodable, Sendable {
    let name: String
    let description: String
    let driver: String
  }

  var rows: [BenchmarkRow]
  /// What could not be measured.
  var failures: [BenchmarkFailure] = []
  var machines: [Machine]
  /// `33,554,432 elements`, or a model.
  var subject: String
  /// What was left out, in sentences.
  var notes: [String] = []
  /// Which memory case is whose, in sentences.
  var advice: [String] = []
  /// Whether vectors of many lengths were measured.
  var isSweep = false

  /// Rows and failures, as `--json` writes them.
  var results: [Result] { rows.map(Result.row) + failures.map(Result.failure) }

  enum Result: Encodable {
    case row(BenchmarkRow)
    case failure(BenchmarkFailure)

    func encode(to encoder: any Encoder) throws {
      switch self {
      case .row(let row): try row.encode(to: encoder)
      case .failure(let failure): try failure.encode(to: encoder)
      }
    }
  }

  private var steps: [BenchmarkRow] { rows.filter { $0.passes != nil } }
  private var hasCases: Bool { rows.contains { $0.memoryCase != .resident } }
  private var hasSeveralCounts: Bool { Set(steps.map(\.count)).count > 1 }

  /// The ceilings: GB/s of passes over as many streams as rules have, and of a plain copy.
  var ceilings: Table {
    var table = Table(.left("device"), .right("elements"), .left("pass"), .right("GB/s"))
    for machine in machines {
      let mine = rows.filter { $0.device == machine.name }
      for count in unique(mine.map(\.count)) {
        let these = mine.filter { $0.count == count }
        for copy in these where copy.passes == nil {
          table.append(machine.name, "\(count)", "plain copy", Self.decimals(copy.rate, 1))
        }
        for passes in unique(these.compactMap(\.passes)) {
          let own = these.filter { $0.passes == passes }
          guard let rate = own.compactMap(\.ceilingRate).median else { continue }
          table.append(
            machine.name, "\(count)", Self.name(of: passes, own[0].rule), Self.decimals(rate, 1))
        }
      }
    }
    return table
  }

  private static func name(of passes: [PassStreams], _ rule: String) -> String {
    guard passes.count == 1 else { return "the \(passes.count) passes of \(rule)" }
    let states = passes[0].written - 1
    return "parameters, gradients"
      + (states == 0 ? "" : states == 1 ? ", 1 state" : ", \(states) states")
  }

  /// A line for each rule on each device.
  var table: Table {
    var table = Table(columns)
    for row in steps { table.append(cells(row)) }
    return table
  }

  private var columns: [Table.Column] {
    [.left("rule"), .left("device")] + (hasCases ? [.left("case")] : [])
      + (hasSeveralCounts ? [.right("elements")] : []) + [
        .right("median ms"), .right("min ms"), .right("GB/s"), .right("of ceiling"),
        .right("parameters/s"), .right("launches"),
      ]
  }

  private func cells(_ row: BenchmarkRow) -> [String] {
    [row.rule, row.device] + (hasCases ? [row.memoryCase.rawValue] : [])
      + (hasSeveralCounts ? ["\(row.count)"] : []) + [
        Self.milliseconds(row.samples.median), Self.milliseconds(row.samples.minimum),
        Self.decimals(row.rate, 1),
        row.samples.fractionOfCeiling.map { Self.decimals($0, 2) } ?? "",
        String(format: "%.3g", row.parametersPerSecond), "\(row.launchesPerStep)",
      ]
  }

  /// Where one device overtakes another; only a sweep shows it.
  var overtakings: [String] {
    isSweep ? Overtaking.sentences(of: rows) : []
  }

  static func decimals(_ value: Double, _ count: Int) -> String {
    String(format: "%.\(count)f", value)
  }

  /// Three digits at least: a step may take half a microsecond.
  private static func milliseconds(_ seconds: Double) -> String {
    decimals(seconds * 1e3, seconds < 1e-4 ? 5 : seconds < 1e-2 ? 3 : 2)
  }
}
