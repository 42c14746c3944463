import DescentTestSupport
import Foundation
import Testing

@testable import Descent

/// Random walks through all settings of a step: after each of many steps the optimizer is saved,
/// and a new one continues from the file on another engine; the result is compared with a run that
/// never stops.
@Suite struct RandomWalkTests {
  private static let steps = 24

  private static func layout(for rule: any UpdateRule) throws -> ParameterLayout {
    var layout = try ParameterLayout(alignment: 16)
    try layout.append("weight", shape: [5, 7])
    try layout.append("bias", shape: rule.shape(ofCount: 7), group: "others")
    try layout.append("scale", shape: rule.needsMatrices ? [1, 1] : [])
    try layout.append("table", shape: [3, 6], group: "others")
    return layout
  }

  /// The engines to go on with; on a device each new kind of step compiles a kernel, so there one
  /// rule in six goes.
  private static func engines(_ number: Int) throws -> [EngineChoice] {
    let host: [EngineChoice] = [
      .cpu, .reference, .cpu(threads: 3, instructions: .baseline, block: 16),
    ]
    #if OpenCL
    if number % 6 == 0, let queue = try TestDevices.queues.get().first {
      return host + [.openCL(queue)]
    }
    #endif
    return host
  }

  /// A setting that is made of an optimizer before a step.
  private typealias Change = (Optimizer) throws -> Void

  private static let lossScales: [LossScale?] = [
    nil, LossScale(), LossScale(scale: 0x1p126, growthInterval: 1),
    LossScale(scale: 0x1p125, growthInterval: 1, stepsSinceChange: 0),
    LossScale(scale: 0x1p-125, minimumScale: 0x1p-126), LossScale(scale: 2, growthInterval: 2),
    LossScale(
      scale: 3.3, growthFactor: 70, backoffFactor: 0.01, growthInterval: 1, minimumScale: 0.7,
      maximumScale: 1234.5),
    LossScale(scale: 64).fixed,
  ]

  private static let schedules: [Schedule?] = [
    nil, .constant(0.01), .exponential(1, factor: 1e-15),
    .warmUp(3).then(.cosine(from: 0.1, to: 0, steps: 9)), .linear(from: 1e-44, to: 0, steps: 5),
  ]

  private static let clippings: [Clipping?] = [
    nil, .globalNorm(0.5), .globalNorm(1e-44, epsilon: 1e-6), .tensorNorm(3e38), .value(0.3),
    .value(1e-45),
  ]

  private static func changes(_ random: inout SeededGenerator) -> [Change] {
    func pick<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &random)] }
    let (clipping, own) = (pick(clippings), pick(clippings))
    let (lossScale, schedule) = (pick(lossScales), pick(schedules))
    let skips = pick([true, false])
    let average = pick([nil, 0, 0.5, 0.999] as [Double?]).map { ParameterAverage(decay: $0) }
    let leftOut: Set<String> = pick([[], ["scale"], ["weight", "table"]])
    let rate = pick([0, 1e-40, 1e-3, 1, 1e30])
    let group = ParameterGroup(
      learningRateFactor: pick([0, 1e-3, 0.5, 1]), weightDecay: pick([nil, 0, 1e-45, 0.1]),
      isFrozen: pick([true, false, false]), clipping: own)
    let name = pick([ParameterGroup.defaultName, "others"])
    let all: [Change] = [
      { $0.clipping = clipping }, { $0.skipsNonFinite = skips },
      { try $0.setLossScale(lossScale) }, { $0.schedule = schedule }, { $0.averaging = average },
      { $0.leftOut = leftOut }, { try $0.setGroup(name, to: group) }, { $0.setLearningRate(rate) },
    ]
    return all.filter { _ in Int.random(in: 0..<4, using: &random) == 0 }
  }

  /// Gradients over many binades, and now and then one that is not finite.
  private static func gradients(_ count: Int, _ random: inout SeededGenerator) -> [Float] {
    let binade = Double(Int.random(in: -30...30, using: &random))
    var result = (0..<count).map { _ in
      Float(Double.random(in: -1...1, using: &random) * exp2(binade))
    }
    if Int.random(in: 0..<4, using: &random) == 0 {
      result[Int.random(in: 0..<count, using: &random)] =
        Bool.random(using: &random) ? .infinity : .nan
    }
    return result
  }

  /// Everything that goes on, with NaN as one number.
  private static func outcome(_ optimizer: Optimizer, _ x: [Float]) throws -> [String: [UInt32]] {
    var outcome = try optimizer.states().mapValues(bits)
    outcome["parameters"] = optimizer.layout.tensors.flatMap { bits(Array(x[$0.range])) }
    for tensor in optimizer.layout.tensors where outcome["average"] != nil {
      outcome["average of \(tensor.name)"] = bits(try optimizer.average(of: tensor.name))
    }
    outcome["average"] = nil
    return outcome
  }

  @Test(
    "an optimizer never moves itself where it cannot be saved, loaded and gone on with",
    arguments: Array(Rules.all.flatMap { $0.variants }.enumerated()).map { ($0.offset, $0.element) }
  )
  func walk(_ number: Int, _ variant: RuleVariant) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("descent-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var random = SeededGenerator(seed: UInt64(number))
    let engines = try Self.engines(number)
    let layout = try Self.layout(for: variant.rule)
    let straight = try Optimizer(variant.rule, layout: layout, on: .reference)
    var optimizer = try Optimizer(variant.rule, layout: layout, on: .cpu)
    var x = (0..<layout.count).map { Float($0 % 5) - 2 }
    var y = x
    for step in 1...Self.steps {
      let changes = Self.changes(&random)
      // Some are refused, such as a decay that a rule cannot have: by both alike.
      for change in changes {
        #expect(message { try change(straight) } == message { try change(optimizer) })
      }
      for _ in 0..<max(0, Int.random(in: -3...2, using: &random)) {
        let g = Self.gradients(layout.count, &random)
        try straight.accumulate(g)
        try optimizer.accumulate(g)
      }
      var g = Self.gradients(layout.count, &random)
      let scale = [1, 0.5, -1, 1e-30, 1e30, 0][Int.random(in: 0..<6, using: &random)]
      try straight.step(&y, gradients: g, gradientScale: scale)
      try optimizer.step(&x, zeroing: &g, gradientScale: scale)

      let path = folder + "/\(step).safetensors"
      try optimizer.save(to: path, parameters: x)
      let choice = engines[Int.random(in: 0..<engines.count, using: &random)]
      let checkpoint = try Checkpoint(path)
      let next = try Optimizer(checkpoint, on: choice)
      var z = [Float](repeating: 0, count: layout.count)
      try checkpoint.readParameters(into: &z, layout: layout)
      // The same as a value.
      let value = try Optimizer(optimizer.state, on: .cpu)
      let expected = try Self.outcome(straight, y)
      #expect(try Self.outcome(next, z) == expected, "step \(step), \(optimizer.engineName)")
      #expect(try Self.outcome(value, x) == expected)
      let (status, other) = (try straight.status, try next.status)
      #expect(try other == status && status.stepCount == optimizer.stepCount, "step \(step)")
      (optimizer, x) = (next, z)
      try FileManager.default.removeItem(atPath: path)
    }
    #expect(try optimizer.skippedStepCount + optimizer.stepCount == Self.steps)
  }
}
