import Descent

/// What was measured of a rule, or of a plain copy, on one device.
struct BenchmarkRow: Sendable {
  /// The rule's name, or ``copy``.
  let rule: String
  let device: String
  /// Elements that a step updates.
  let count: Int
  let tensors: Int
  let memoryCase: MemoryCase
  let bytesPerStep: Int
  /// Of the kernels on the device; 0 where a step launches nothing.
  let launchesPerStep: Int
  /// The streams of the rule's passes over memory; nil for a copy.
  let passes: [PassStreams]?
  var samples = Samples()

  static let copy = "copy"

  /// GB/s at the median time.
  var rate: Double { Double(bytesPerStep) / samples.median / 1e9 }

  /// The ceiling's GB/s at its median time, over the same streams.
  var ceilingRate: Double? { samples.ceiling.map { Double(bytesPerStep) / $0 / 1e9 } }

  var parametersPerSecond: Double { Double(count) / samples.median }
}

extension BenchmarkRow: Encodable {
  private enum CodingKeys: String, CodingKey {
    case rule, device, count, tensors
    case memoryCase = "case"
    case medianSeconds, minimumSeconds
    case bytesPerStep, ceilingSeconds, fractionOfCeiling, launchesPerStep
  }

  /// Every key, absent values as null.
  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(rule, forKey: .rule)
    try values.encode(device, forKey: .device)
    try values.encode(count, forKey: .count)
    try values.encode(tensors, forKey: .tensors)
    try values.encode(memoryCase, forKey: .memoryCase)
    try values.encode(samples.median, forKey: .medianSeconds)
    try values.encode(samples.minimum, forKey: .minimumSeconds)
    try values.encode(bytesPerStep, forKey: .bytesPerStep)
    try values.encode(samples.ceiling, forKey: .ceilingSeconds)
    try values.encode(samples.fractionOfCeiling, forKey: .fractionOfCeiling)
    try values.encode(launchesPerStep, forKey: .launchesPerStep)
  }
}
