import Foundation

/// From a number of elements on, one device is faster at a rule than another that was faster
/// before.
struct Overtaking: Equatable, Sendable {
  let rule: String
  let faster: String
  let slower: String
  /// Where the two are equally fast, by interpolation between the sizes that were measured.
  let count: Int

  /// How much faster a device has to be to count as faster: less may be noise.
  static let margin = 1.1

  /// What a sweep shows, in sentences: by rule, by pair of devices, by size.
  static func sentences(of rows: [BenchmarkRow]) -> [String] {
    let rows = rows.filter { $0.passes != nil && $0.memoryCase == .resident }
    let devices = unique(rows.map(\.device))
    return unique(rows.map(\.rule)).flatMap { rule in
      devices.indices.flatMap { first in
        devices[(first + 1)...].flatMap { second in
          let (found, leader) = between(
            devices[first], second, rule, rows.filter { $0.rule == rule })
          if !found.isEmpty { return found.map(\.description) }
          guard let leader else { return ["\(rule): \(devices[first]) and \(second) are even"] }
          let other = leader == second ? devices[first] : second
          return ["\(rule): \(leader) stays ahead of \(other)"]
        }
      }
    }
  }

  /// The overtakings by size, and who is ahead in the end; nil if neither ever was.
  static func between(
    _ first: String, _ second: String, _ rule: String, _ rows: [BenchmarkRow]
  ) -> ([Overtaking], leader: String?) {
    var result: [Overtaking] = []
    var leader: String?
    var last: (count: Double, ratio: Double)?
    for row in rows.filter({ $0.device == first }).sorted(by: { $0.count < $1.count }) {
      guard let other = rows.first(where: { $0.device == second && $0.count == row.count }) else {
        continue
      }
      let (count, ratio) = (Double(row.count), row.samples.median / other.samples.median)
      let ahead = ratio > margin ? second : ratio < 1 / margin ? first : nil
      if let ahead, let before = leader, ahead != before, let last {
        result.append(
          Overtaking(
            rule: rule, faster: ahead, slower: before, count: crossing(last, (count, ratio))))
      }
      leader = ahead ?? leader
      // Where neither was ahead, the crossing may be before this size.
      if ahead != nil || last == nil { last = (count, ratio) }
    }
    return (result, leader)
  }

  /// Where the ratio is 1 on a straight line between two sizes, in logarithms of both.
  private static func crossing(
    _ left: (count: Double, ratio: Double), _ right: (count: Double, ratio: Double)
  ) -> Int {
    let share = log(left.ratio) / (log(left.ratio) - log(right.ratio))
    let place = exp(log(left.count) + share * (log(right.count) - log(left.count)))
    return Int(min(max(place, left.count), right.count).rounded())
  }
}

extension Overtaking: CustomStringConvertible {
  var description: String {
    "\(rule): \(faster) overtakes \(slower) at about \(elements(count)) elements"
  }
}

/// A number of elements for people: 1021, 37 Ki, 1.5 Mi.
func elements(_ count: Int) -> String {
  for (unit, name) in [(1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")] where count >= unit {
    let value = Double(count) / Double(unit)
    let text = value < 10 ? String(format: "%.1f", value) : String(format: "%.0f", value)
    return (text.hasSuffix(".0") ? String(text.dropLast(2)) : text) + " \(name)"
  }
  return "\(count)"
}

/// The values without repetitions, in the order of their first occurrence.
func unique<Value: Hashable>(_ values: [Value]) -> [Value] {
  var seen: Set<Value> = []
  return values.filter { seen.insert($0).inserted }
}
