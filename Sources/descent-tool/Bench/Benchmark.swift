import Descent

/// A rule under the name that the command line has for it.
struct BenchmarkRule: Sendable {
  let name: String
  let rule: any UpdateRule
  /// How many states of the parameters' shape there are.
  var states: Int { rule.states.count { $0.shape == .parameter } }
  /// The streams of its passes over memory.
  var passes: [PassStreams] { rule.passStreams }
  /// Whether what it computes of an element depends on other elements.
  var isWhole: Bool { rule.passes.count > 1 }
}

extension [BenchmarkRule] {
  /// The most vectors that a pass of one of them reads, and the most that one updates.
  var mostStreams: PassStreams {
    let all = flatMap(\.passes)
    return PassStreams(
      read: all.map(\.read).max() ?? 0, written: all.map(\.written).max() ?? 0)
  }
}

/// The measurement: rules on devices over vectors of one layout, in rounds that alternate rule,
/// device and ceiling, so that whatever else the machine does meets all alike.
struct Benchmark {
  var rules: [BenchmarkRule]
  var devices: [BenchmarkDevice]
  var layout: ParameterLayout
  var rounds = 9
  /// How often all rounds are repeated, each time in other memory: the addresses of vectors can
  /// change the speed by a tenth.
  var placements = 3
  var limits: MemoryLimits
  /// Seconds that short steps are repeated for to make one sample.
  var sampleTime = 1e-3
  var interruption = Interruption()

  /// How many calls of `progress` a whole run makes.
  var progressTotal: Int {
    placements * (rounds + 2) * rules.count * devices.reduce(0) { $0 + $1.cases.count }
  }

  /// Measures, and checks every vector afterwards.
  ///
  /// - Parameters:
  ///   - progress: called when a part of the work is done.
  ///   - failed: called for a device that failed or left wrong numbers. What it measured in this
  ///     placement is dropped, and the others measure it anew without the device.
  /// - Returns: what was measured at least once: everything, unless interrupted. Copies come first,
  ///   then rule by rule.
  /// - Throws: ``BenchmarkError``, and what `failed` throws.
  func run(
    progress: () -> Void = {}, failed: (BenchmarkFailure) throws -> Void = { throw $0 }
  ) throws -> [BenchmarkRow] {
    var benchmark = self
    var copies = devices.map { BenchmarkRow(copyOn: $0, count: layout.elementCount) }
    var (rows, dropped): ([BenchmarkRow], [BenchmarkRow]) = ([], [])
    for batch in try batches() {
      let first = rows.count
      var placed = 0
      while placed < placements && !interruption.isRequested && !benchmark.devices.isEmpty {
        var (newCopies, newRows) = (copies, rows)
        do {
          let placement = try Placement(benchmark, rules: batch, progress)
          if rows.count == first { newRows += placement.rows }
          try placement.measure(into: &newRows[first...], copies: &newCopies, progress)
          try placement.check(progress)
          (copies, rows, placed) = (newCopies, newRows, placed + 1)
        } catch let failure as BenchmarkFailure {
          try failed(failure)
          // Earlier placements were checked.
          dropped += (copies + rows[first...]).filter { $0.device == failure.device }
          benchmark.devices.removeAll { $0.name == failure.device }
          copies.removeAll { $0.device == failure.device }
          rows[first...].removeAll { $0.device == failure.device }
        }
      }
    }
    let all = (copies + rows + dropped).filter { $0.samples.count > 0 }
    return all.filter { $0.passes == nil } + all.filter { $0.passes != nil }
  }

  /// The rules in groups that fit in memory together, as few as possible.
  func batches() throws -> [[BenchmarkRule]] {
    var batches: [[BenchmarkRule]] = []
    for rule in rules {
      if let last = batches.last, excess(of: last + [rule]) == nil {
        batches[batches.count - 1].append(rule)
      } else {
        if let excess = excess(of: [rule]) { throw BenchmarkError.memory(excess) }
        batches.append([rule])
      }
    }
    return batches
  }

  /// Why these rules cannot be measured together; nil if they can.
  private func excess(of rules: [BenchmarkRule]) -> String? {
    var host = 0
    for device in devices {
      let need = MemoryNeed(
        count: layout.count, states: rules.map(\.states), ceiling: rules.mostStreams,
        cases: device.cases, sharesHostMemory: device.sharesHostMemory,
        whole: rules.filter(\.isWhole).map(\.states).max())
      host += need.host
      if let limit = limits.devices[device.name], need.device > limit {
        return message(rules, need.device, limit, of: device.name)
      }
    }
    return host > limits.host ? message(rules, host, limits.host, of: "this machine") : nil
  }

  private func message(
    _ rules: [BenchmarkRule], _ need: Int, _ limit: Int, of whose: String
  ) -> String {
    let names = rules.map(\.name).joined(separator: ", ")
    // Rounded down to two digits.
    var fitting = Int(Double(layout.count) * Double(limit) / Double(need))
    var unit = 1
    while fitting / unit >= 100 { unit *= 10 }
    fitting = fitting / unit * unit
    return "\(names) at \(layout.count) elements needs \(gibibytes(need)) of \(whose)'s memory, "
      + "where \(gibibytes(limit)) can be had; \(fitting) elements would fit"
      + (layout.tensors.count > 1 ? "; see --scale" : "")
  }
}

/// Bytes in GiB with one decimal.
func gibibytes(_ bytes: Int) -> String {
  "\((Double(bytes) / Double(1 << 30) * 10).rounded() / 10) GiB"
}

extension BenchmarkRow {
  /// Without samples.
  fileprivate init(copyOn device: BenchmarkDevice, count: Int) {
    self.init(
      rule: Self.copy, device: device.name, count: count, tensors: 1, memoryCase: .resident,
      bytesPerStep: 2 * count * MemoryLayout<Float>.stride, launchesPerStep: 0, passes: nil)
  }
}
