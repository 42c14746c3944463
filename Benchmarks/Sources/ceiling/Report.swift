import Descent
import Foundation

/// What was measured of one rule on one device. Times in milliseconds.
struct Row: Codable {
  let rule: String
  let device: String
  let driver: String
  let count: Int
  /// What a step reads and writes: parameters, gradients and states in, parameters and states out.
  let bytes: Int
  var steps: [Double] = []
  var passes: [Double] = []

  init(_ rule: any UpdateRule, _ runner: any Runner, count: Int) {
    self.rule = rule.kernel
    device = runner.name
    driver = runner.driver
    self.count = count
    bytes = 4 * (3 + 2 * rule.stateNames.count) * count
  }

  /// GB/s at the median time.
  var rate: Double { Double(bytes) / steps.median / 1e6 }
  var ceiling: Double { Double(bytes) / passes.median / 1e6 }
  /// The median over the rounds, whose step and pass met the same disturbances.
  var fraction: Double { zip(steps, passes).map { $1 / $0 }.median }
  /// The same at the shortest times.
  var bestFraction: Double { (passes.min() ?? 0) / (steps.min() ?? 1) }
}

enum Report {
  static let header = """
    | rule | device | median ms | min ms | GB/s | ceiling GB/s | of ceiling | at best |
    |---|---|---:|---:|---:|---:|---:|---:|
    """

  static func line(_ row: Row) -> String {
    String(
      format: "| %@ | %@ | %.2f | %.2f | %.1f | %.1f | %.2f | %.2f |", row.rule, row.device,
      row.steps.median, row.steps.min() ?? 0, row.rate, row.ceiling, row.fraction,
      row.bestFraction)
  }

  static func write(_ rows: [Row], to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(rows).write(to: URL(fileURLWithPath: path))
  }
}

extension [Double] {
  var median: Double {
    let sorted = sorted()
    let middle = count / 2
    return count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
