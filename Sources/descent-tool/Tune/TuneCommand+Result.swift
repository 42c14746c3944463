#if OpenCL
import Descent
import OpenCLHost

extension TuneCommand {
  /// One kernel on one device.
  struct Result: Encodable {
    var device: String
    var description: String
    var driver: String
    var rule: String
    var kernel: String
    var count: Int
    private var defaultLanes: Int
    private var defaultGroup: Int
    private var defaultSeconds: Double?
    private var lanes: Int?
    private var group: Int?
    private var seconds: Double?
    private var gainPercent: Double?
    private(set) var kept = false
    /// Why the shape was not kept.
    private(set) var reason: String?
    private(set) var failed = false

    init(_ name: String, _ device: Device, rule: String, kernel: String, count: Int) {
      self.device = name
      (description, driver) = (device.name, device.driverVersion)
      (self.rule, self.kernel, self.count) = (rule, kernel, count)
      let standard = LaunchShape(for: device)
      (defaultLanes, defaultGroup) = (standard.lanes, standard.groupSize)
    }

    mutating func take(_ outcome: ShapeTuning.Outcome) {
      (lanes, group) = (outcome.shape.lanes, outcome.shape.groupSize)
      defaultSeconds = outcome.verdict.standardSeconds
      seconds = outcome.verdict.seconds
      gainPercent = outcome.verdict.gain * 100
      kept = outcome.isKept
      if outcome.differs {
        fail("\(outcome.shape) leaves other bits than the default: do not trust this driver")
      } else if !kept {
        reason = outcome.verdict.gain > 0 ? "within the noise" : "the default is as fast"
      }
    }

    mutating func fail(_ why: String) { (failed, reason) = (true, why) }

    private enum CodingKeys: String, CodingKey {
      case device, description, driver, rule, kernel, count, defaultLanes, defaultGroup
      case defaultSeconds, lanes, group, seconds, gainPercent, kept, reason
    }

    /// Every key, absent values as null.
    func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(device, forKey: .device)
      try values.encode(description, forKey: .description)
      try values.encode(driver, forKey: .driver)
      try values.encode(rule, forKey: .rule)
      try values.encode(kernel, forKey: .kernel)
      try values.encode(count, forKey: .count)
      try values.encode(defaultLanes, forKey: .defaultLanes)
      try values.encode(defaultGroup, forKey: .defaultGroup)
      try values.encode(defaultSeconds, forKey: .defaultSeconds)
      try values.encode(lanes, forKey: .lanes)
      try values.encode(group, forKey: .group)
      try values.encode(seconds, forKey: .seconds)
      try values.encode(gainPercent, forKey: .gainPercent)
      try values.encode(kept, forKey: .kept)
      try values.encode(reason, forKey: .reason)
    }

    fileprivate var cells: (standard: String, best: String, gain: String, used: String) {
      func cell(_ lanes: Int, _ group: Int, _ seconds: Double?) -> String {
        let shape = "\(LaunchShape(lanes: lanes, groupSize: group))"
        return seconds.map { "\(shape), \(Self.rounded($0 * 1e3, 1000)) ms" } ?? shape
      }
      return (
        cell(defaultLanes, defaultGroup, defaultSeconds),
        lanes.flatMap { lanes in group.map { cell(lanes, $0, seconds) } } ?? "",
        gainPercent.map { "\(Self.rounded($0, 10))%" } ?? "",
        kept ? "the tuned shape" : failed ? "the default (failed)" : "the default"
      )
    }

    private static func rounded(_ value: Double, _ steps: Double) -> Double {
      (value * steps).rounded() / steps
    }
  }

  static func table(of results: [Result]) -> Table {
    var table = Table(
      .left("device"), .left("kernel"), .left("default"), .left("best besides it"),
      .right("gain"), .left("used from now on"))
    for result in results {
      let cells = result.cells
      table.append(
        result.device, result.kernel, cells.standard, cells.best, cells.gain, cells.used)
    }
    return table
  }
}
#endif
