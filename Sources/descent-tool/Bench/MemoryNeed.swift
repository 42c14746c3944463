import Descent
import Foundation

/// How much memory vectors take, in bytes.
struct MemoryNeed: Equatable, Sendable {
  /// Of this machine.
  var host = 0
  /// Of the device.
  var device = 0

  /// What rules take that are measured together on one device, over vectors of `count` elements.
  ///
  /// - Parameters:
  ///   - states: of each rule.
  ///   - ceiling: the most streams of its passes.
  ///   - whole: the most states of a rule whose last step the reference repeats on all elements;
  ///     nil if there is none.
  init(
    count: Int, states: [Int], ceiling: PassStreams, cases: [MemoryCase],
    sharesHostMemory: Bool, whole: Int? = nil
  ) {
    // The ceiling's vectors, gradients among them, and what is copied to.
    var onDevice = ceiling.written + max(1, ceiling.read) + 1
    // Reading a vector back to check it.
    var onHost = 1
    // Parameters and gradients, the terms of up to four sums, and states twice.
    if let whole { onHost += 2 + 4 + 2 * whole }
    for memoryCase in cases {
      onDevice += states.reduce(0) { $0 + 1 + $1 }
      if memoryCase != .resident { onHost += 1 + states.count }
      if memoryCase == .pageable { onDevice += states.count }
    }
    let vector = count * MemoryLayout<Float>.stride
    host = (sharesHostMemory ? onHost + onDevice : onHost) * vector
    device = sharesHostMemory ? 0 : onDevice * vector
  }
}

/// Memory that may be used, in bytes.
struct MemoryLimits: Sendable {
  /// Of this machine.
  var host: Int
  /// By device; those that use this machine's are not in it.
  var devices: [String: Int]

  /// Nine tenths of what is there: drivers and the system take some.
  init(devices: [BenchmarkDevice]) {
    host = Self.share(of: Self.availableHostMemory() ?? Int.max / 2)
    self.devices = [:]
    for device in devices { self.devices[device.name] = device.ownMemory.map(Self.share) }
  }

  init(host: Int, devices: [String: Int]) { (self.host, self.devices) = (host, devices) }

  private static func share(of bytes: Int) -> Int { bytes / 10 * 9 }

  /// What the system, or a control group that is stricter, has left; nil where neither says.
  private static func availableHostMemory() -> Int? {
    let machine = text("/proc/meminfo").flatMap { number(after: "MemAvailable:", in: $0) }
    let group = "/sys/fs/cgroup/memory"
    let left: Int? =
      if let most = text(group + ".max").flatMap(number),
        let used = text(group + ".current")
          .flatMap(number)
      {
        // What files take is given back when memory is short.
        most - used
          + (text(group + ".stat").flatMap { number(after: "inactive_file", in: $0) } ?? 0)
      } else {
        nil
      }
    return [machine.map { $0 * 1024 }, left].compactMap { $0 }.min()
  }

  private static func text(_ file: String) -> String? {
    try? String(contentsOfFile: file, encoding: .utf8)
  }

  private static func number(_ text: String) -> Int? {
    Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
  }

  /// The number behind the name on the line that begins with it.
  static func number(after name: String, in text: String) -> Int? {
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      return line.dropFirst(name.count).split(separator: " ").first.flatMap { Int($0) }
    }
    return nil
  }
}
