import DescentTestSupport
import Safetensors
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// A type of 16 bits, as these tests need it.
private protocol HalfParameter: VectorElement, Equatable, ExpressibleByIntegerLiteral {
  static var storage: Storage { get }
  init(_ value: Float)
  var value: Float { get }
  /// What a step stores.
  static func stored(_ value: Float) -> Self
}

extension BFloat16: HalfParameter {
  fileprivate static var storage: Storage { .bfloat16 }
  fileprivate var value: Float { Float(self) }
  fileprivate static func stored(_ value: Float) -> BFloat16 { value.halves.upper }
}

extension Float16: HalfParameter {
  fileprivate static var storage: Storage { .float16 }
  fileprivate var value: Float { Float(self) }
  fileprivate static func stored(_ value: Float) -> Float16 { Float16(value) }
}

/// Parameters in 16 bits with what makes them Floats: the bits of a run in Float, on every engine.
@Suite struct StorageTests {
  private static func bits(_ values: [Float]) -> [UInt32] { RulePassTests.bits(values) }

  /// Parameters that the type holds.
  private static func start<Half: HalfParameter>(
    _ count: Int, _ type: Half.Type = BFloat16.self
  ) -> [Half] {
    PinnedSteps(count: count).parameters.map { Half(min(max($0, -4), 4)) }
  }

  private static func gradients(_ count: Int, _ step: Int) -> [Float] {
    PinnedSteps(count: count).gradients(step).map { min(max($0, -1e3), 1e3) }
  }

  /// The Floats that steps have for the parameters; between tensors the parameters.
  private static func floats<Half: HalfParameter>(
    _ optimizer: Optimizer, _ x: [Half]
  ) throws -> [Float] {
    if let x = x as? [BFloat16] {
      return zip(x, try optimizer.state("remainder")).map {
        Float(upper: $0, remainder: Int16($1))
      }
    }
    var floats = x.map(\.value)
    let master = try optimizer.state("master")
    for tensor in optimizer.layout.tensors {
      floats.replaceSubrange(tensor.range, with: master[tensor.range])
    }
    return floats
  }

  /// What a run leaves, as one in Float would leave it.
  private struct Outcome: Equatable {
    var vectors: [String: [UInt32]] = [:]
    var steps = 0
    var skipped = 0

    init(_ optimizer: Optimizer, _ floats: [Float]) throws {
      for name in optimizer.stateNames where !["remainder", "master"].contains(name) {
        vectors[name] = bits(try optimizer.state(name))
      }
      vectors["parameters"] = bits(floats)
      if optimizer.averaging != nil { vectors["average"] = bits(try optimizer.average()) }
      (steps, skipped) = try (optimizer.stepCount, optimizer.skippedStepCount)
    }
  }

  /// A run in which every step has something else.
  private static func run<Parameters: MutableVector>(
    _ rule: any UpdateRule, _ layout: ParameterLayout, _ storage: Storage, _ choice: EngineChoice,
    _ x: inout Parameters
  ) throws -> Optimizer {
    let optimizer = try Optimizer(rule, layout: layout, storage: storage, on: choice)
    let frozen = layout.groupNames[layout.groupNames.count - 1]
    for step in 1...8 {
      // The average begins while there are remainders.
      if step == 2 { optimizer.averaging = ParameterAverage(decay: 0.9) }
      if step == 3 {
        optimizer.clipping = .globalNorm(20)
        try optimizer.setLossScale(LossScale(scale: 8, growthInterval: 2))
      }
      if step == 6 {
        try optimizer.setLossScale(nil)
        optimizer.clipping = .value(0.5)
      }
      optimizer.leftOut = step == 5 || step == 8 ? [layout.tensors[0].name] : []
      if step == 7 { try optimizer.setGroup(frozen, to: ParameterGroup(isFrozen: true)) }
      if step % 2 == 0 { try optimizer.accumulate(gradients(layout.count, 10 * step)) }
      var g = gradients(layout.count, step)
      if step == 4 { g[layout.count / 2] = .infinity }
      if step % 3 == 0 {
        var half = g.map { BFloat16($0) }
        try optimizer.step(&x, zeroing: &half)
        #expect(layout.tensors.allSatisfy { half[$0.range].allSatisfy { $0 == 0 } })
      } else {
        try optimizer.step(&x, gradients: g)
      }
    }
    return optimizer
  }

  @Test("every control and several rules in bfloat16, on every engine")
  func bfloat16() throws { try Self.controls(BFloat16.self) }

  @Test("the same in Float16")
  func float16() throws { try Self.controls(Float16.self) }

  private static func controls<Half: HalfParameter>(_ type: Half.Type) throws {
    let cases: [(any UpdateRule, ParameterLayout)] = [
      (AdamW(weightDecay: 0.1), try .evenAndOdd()),
      (SGD(learningRate: 0.1), try ParameterLayout(count: 1)),
      (Nesterov(learningRate: 0.1), try ParameterLayout(count: 4099)),
      (LAMB(), try ParameterLayout(count: 20_011)),
      (Adafactor(), try ParameterLayout(count: 4099, for: Adafactor())),
      (Muon(), try ParameterLayout(count: 1020, for: Muon())),
      (Prodigy(), try ParameterLayout(count: 1027)),
      (ScheduleFreeAdamW(), try ParameterLayout(count: 1027)),
    ]
    for (rule, layout) in cases {
      var wide = start(layout.count, type).map(\.value)
      let reference = try run(rule, layout, .float32, .reference, &wide)
      let expected = try Outcome(reference, wide)
      var point = wide
      try reference.writeIterate(from: wide, into: &point)
      // Every kind of cut for one rule: drivers build each of its programs anew.
      let choices =
        rule is AdamW
        ? try TestEngines.cut() + [.reference] : try TestEngines.each()
      for choice in choices {
        var x = start(layout.count, type)
        let optimizer = try run(rule, layout, type.storage, choice, &x)
        let place: Comment = "\(Swift.type(of: rule)) in \(type) on \(choice)"
        let floats = try Self.floats(optimizer, x)
        #expect(try Outcome(optimizer, floats) == expected, place)
        // Rounded to nearest, not cut off.
        #expect(bits(floats.map { Half.stored($0).value }) == bits(x.map(\.value)), place)
        var own = point.map { _ in Float(0) }
        try optimizer.writeIterate(from: x, into: &own)
        for tensor in layout.tensors {
          #expect(
            bits(Array(own[tensor.range])) == bits(Array(point[tensor.range])), place)
        }
        try optimizer.settle(&x)
        let settled = try Self.floats(optimizer, x)
        for tensor in layout.tensors {
          #expect(
            bits(Array(settled[tensor.range])) == bits(Array(point[tensor.range])), place)
        }
      }
    }
  }

  /// Steps over the pinned values with ∞ and NaN.
  private static func steps(
    _ variant: RuleVariant, _ storage: Storage, _ choice: EngineChoice,
    _ step: (Optimizer, Int) throws -> Void
  ) throws -> Optimizer {
    let layout = try ParameterLayout(count: 1025, for: variant.rule)
    let optimizer = try Optimizer(variant.rule, layout: layout, storage: storage, on: choice)
    for index in 1...3 { try step(optimizer, index) }
    return optimizer
  }

  private static func expected<Half: HalfParameter>(
    _ variant: RuleVariant, _ pinned: PinnedSteps, _ type: Half.Type
  ) throws -> Outcome {
    var wide = start(1025, type).map(\.value)
    let layout = try ParameterLayout(count: 1025, for: variant.rule)
    let optimizer = try Optimizer(variant.rule, layout: layout, on: .reference)
    for step in 1...3 { try optimizer.step(&wide, gradients: pinned.gradients(step)) }
    return try Outcome(optimizer, wide)
  }

  @Test("every variant, at every instruction set", arguments: AgreementTests.variants)
  func variants(_ variant: RuleVariant) throws {
    try Self.compare(variant, BFloat16.self)
    try Self.compare(variant, Float16.self)
  }

  private static func compare<Half: HalfParameter>(
    _ variant: RuleVariant, _ type: Half.Type
  ) throws {
    let pinned = PinnedSteps(count: 1025, special: variant.rule.passes.count == 1)
    let expected = try expected(variant, pinned, type)
    let sets = InstructionSet.available.map {
      EngineChoice.cpu(threads: 2, instructions: $0, block: 100)
    }
    for choice in sets + [.reference] {
      var x = start(1025, type)
      let optimizer = try steps(variant, type.storage, choice) {
        try $0.step(&x, gradients: pinned.gradients($1))
      }
      #expect(
        try Outcome(optimizer, Self.floats(optimizer, x)) == expected,
        "\(variant), \(type) on \(choice)")
    }
  }

  #if OpenCL
  @Test("every compiled rule in device memory", .needsDevice, arguments: AgreementTests.compiled)
  func device(_ variant: RuleVariant) throws {
    try Self.compareOnDevice(variant, BFloat16.self)
    try Self.compareOnDevice(variant, Float16.self)
  }

  private static func compareOnDevice<Half: HalfParameter>(
    _ variant: RuleVariant, _ type: Half.Type
  ) throws {
    let pinned = PinnedSteps(count: 1025, special: variant.rule.passes.count == 1)
    let expected = try expected(variant, pinned, type)
    for queue in try TestDevices.queues.get() {
      let start = start(1025, type)
      // In two buffers, the second behind other elements.
      let first = try Buffer(queue.context, copying: Array(start[..<700]))
      let guarded = [Half](repeating: 3, count: 5) + start[700...] + [3]
      let second = try Buffer(queue.context, copying: guarded)
      let slices = try [first.slice(0..<700), second.slice(5..<330)]
      let shape = LaunchShape(lanes: 4, groupSize: 16, on: queue.device)
      let optimizer = try steps(variant, type.storage, .openCL(queue, shape: shape)) {
        let g = try Buffer(queue.context, copying: pinned.gradients($1))
        try $0.enqueueStep(slices, gradients: g)
      }
      let (a, b) = (try first.read(on: queue), try second.read(on: queue))
      #expect(
        try Outcome(optimizer, floats(optimizer, a + b[5..<330])) == expected, "\(variant), \(type)"
      )
      #expect(b[..<5].allSatisfy { $0 == 3 } && b[330] == 3, "\(variant)")
    }
  }

  @Test("an average that begins in device memory has the Floats", .needsDevice)
  func averageOnDevice() throws {
    try Self.beginAverage(BFloat16.self)
    try Self.beginAverage(Float16.self)
  }

  private static func beginAverage<Half: HalfParameter>(_ type: Half.Type) throws {
    for queue in try TestDevices.queues.get() {
      let layout = try ParameterLayout.evenAndOdd()
      var wide = start(layout.count, type).map(\.value)
      let x = try Buffer(queue.context, copying: start(layout.count, type))
      let reference = try Optimizer(Adam(), layout: layout, on: .reference)
      let optimizer = try Optimizer(
        Adam(), layout: layout, storage: type.storage, on: .openCL(queue))
      for step in 1...4 {
        if step == 3 {
          reference.averaging = ParameterAverage(decay: 0.9)
          optimizer.averaging = ParameterAverage(decay: 0.9)
        }
        let g = gradients(layout.count, step)
        try reference.step(&wide, gradients: g)
        try optimizer.enqueueStep(x, gradients: Buffer(queue.context, copying: g))
      }
      let own = try Outcome(optimizer, floats(optimizer, x.read(on: queue)))
      #expect(own == (try Outcome(reference, wide)))
    }
  }
  #endif

  @Test("halves of a Float are the Float, rounded to nearest and ties away from 0")
  func halves() {
    var values: [Float] = [
      0, -0.0, 1, -1, .infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
      -.greatestFiniteMagnitude, .leastNormalMagnitude, Float(bitPattern: 0x3f80_8000),
      Float(bitPattern: 0xbf80_8000), Float(bitPattern: 0x3f81_8000),
    ]
    values += (0..<100_000).map {
      Float(bitPattern: UInt32(truncatingIfNeeded: PinnedSteps.mix($0)))
    }
    for value in values {
      let (upper, remainder) = value.halves
      let whole = Float(upper: upper, remainder: remainder)
      #expect(whole.bitPattern == (value.isNaN ? 0x7fc0_0000 : value.bitPattern))
      if !value.isNaN && upper.bitPattern & 0x7fff != 0x7f80 && remainder != .min {
        #expect(upper.bitPattern == BFloat16(value).bitPattern)
      }
    }
    #expect(Float(bitPattern: 0x3f80_8000).halves.upper.bitPattern == 0x3f81)
    #expect(Float(bitPattern: 0xbf80_8000).halves.upper.bitPattern == 0xbf81)
    #expect(Float.nan.halves.upper.bitPattern == 0x7fc0 && Float.nan.halves.remainder == 0)
  }

  @Test("parameters in pieces, and steps smaller than half a unit in the last place add up")
  func small() throws {
    for choice in try TestEngines.each() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 100), storage: .bfloat16, on: choice)
      var x = [BFloat16](repeating: 1, count: 100)
      let g = [Float](repeating: -0x1p-12, count: 100)
      try x.withUnsafeMutableBufferPointer {
        let pieces = [
          UnsafeMutableBufferPointer(rebasing: $0[..<33]),
          UnsafeMutableBufferPointer(rebasing: $0[33...]),
        ]
        for _ in 0..<64 { try optimizer.step(pieces, gradients: g) }
      }
      #expect(x == [BFloat16](repeating: 1.015625, count: 100), "\(choice)")
      // Half a unit in the last place is 2⁻⁸.
      #expect(try optimizer.state("remainder") == [Float](repeating: 0, count: 100), "\(choice)")
      try optimizer.step(&x, gradients: g)
      #expect(x[99] == 1.015625)
      #expect(try optimizer.state("remainder")[99] == 0x1p-12 / 0x1p-23)
      try optimizer.reset()
      #expect(try optimizer.state("remainder") == [Float](repeating: 0, count: 100), "\(choice)")
    }
  }

  // MARK: Going on

  @Test("a run goes on from a file, a state and its vectors with the same bits, on any engine")
  func resume() throws {
    try Self.resume(BFloat16.self, .bfloat16, "remainder", .int16)
    try Self.resume(Float16.self, .float16, "master", .float32)
  }

  private static func resume<Half: HalfParameter>(
    _ type: Half.Type, _ fileType: SafetensorsType, _ own: String, _ ownType: SafetensorsType
  ) throws {
    let layout = try ParameterLayout.evenAndOdd()
    func steps(_ optimizer: Optimizer, _ range: ClosedRange<Int>, _ x: inout [Half]) throws {
      for step in range { try optimizer.step(&x, gradients: gradients(layout.count, step)) }
    }
    for (origin, choice) in zip(try TestEngines.each(), try TestEngines.each().reversed()) {
      var x = start(layout.count, type)
      let optimizer = try Optimizer(
        AdamW(), layout: layout, storage: type.storage, on: origin)
      optimizer.averaging = ParameterAverage(decay: 0.9)
      try steps(optimizer, 1...3, &x)
      let (state, states, middle) = (try optimizer.state, try optimizer.states(), x)
      try withTemporaryFolder { folder in
        let path = folder + "/run.safetensors"
        try optimizer.save(to: path, parameters: x)
        let alone = folder + "/alone.safetensors"
        try optimizer.save(to: alone)
        try steps(optimizer, 4...6, &x)
        let expected = try Outcome(optimizer, floats(optimizer, x))

        let checkpoint = try Checkpoint(path)
        let name = layout.tensors[0].name
        #expect(checkpoint.reader[name]?.type == fileType)
        #expect(checkpoint.reader["optimizer.\(own).\(name)"]?.type == ownType)
        #expect(try checkpoint.state() == state)
        var y = [Half](repeating: 0, count: layout.count)
        let loaded = try Optimizer(AdamW(), layout: layout, storage: type.storage, on: choice)
        try loaded.load(from: path, parameters: &y)
        try steps(loaded, 4...6, &y)
        #expect(try Outcome(loaded, floats(loaded, y)) == expected, "\(origin), \(choice)")

        for source in [
          try Optimizer(Checkpoint(alone), on: choice), try Optimizer(state, on: choice),
        ] {
          #expect(source.storage == type.storage)
          var z = middle
          try steps(source, 4...6, &z)
          #expect(try Outcome(source, floats(source, z)) == expected, "\(origin), \(choice)")
        }
        let restored = try Optimizer(AdamW(), layout: layout, storage: type.storage, on: choice)
        restored.averaging = ParameterAverage(decay: 0.9)
        try restored.restore(states: states, stepCount: 3)
        var z = middle
        try steps(restored, 4...6, &z)
        #expect(try Outcome(restored, floats(restored, z)) == expected, "\(origin), \(choice)")

        let copy = folder + "/copy.safetensors"
        try checkpoint.write(to: copy)
        #expect(try Checkpoint(copy).state() == state)
        let torch = folder + "/torch.safetensors"
        try optimizer.save(to: torch, parameters: x, naming: .pyTorch)
        #expect(try Checkpoint(torch).reader[name]?.type == fileType)

        let some = try Optimizer(AdamW(), layout: layout, storage: type.storage, on: choice)
        try some.load(from: path, parameters: &z) { $0.group == "even" }
        let remainder = try #require(checkpoint.state().values[own])
        for tensor in layout.tensors {
          let expected =
            tensor.group == "even"
            ? Array(remainder[tensor.range])
            // A master begins as what the parameters are.
            : z[tensor.range].map { own == "master" ? $0.value : 0 }
          #expect(try some.state(own, of: tensor.name) == expected)
        }
      }
    }
  }

  @Test("another storage, another type and numbers that are no remainders are refused")
  func refused() throws {
    for choice in try TestEngines.each() {
      let layout = try ParameterLayout(count: 4)
      let optimizer = try Optimizer(SGD(), layout: layout, storage: .bfloat16, on: choice)
      let other = try Optimizer(SGD(), layout: layout, on: choice)
      var (half, wide) = ([BFloat16](repeating: 1, count: 4), [Float](repeating: 1, count: 4))
      let error = DescentError.value(
        of: "the element type of parameters", given: "Float", allowed: "BFloat16")
      #expect(throws: error) { try optimizer.step(&wide, gradients: wide) }
      #expect(throws: error) { try optimizer.settle(&wide) }
      var point = wide
      #expect(throws: error) { try optimizer.writeIterate(from: wide, into: &point) }
      for wrong: Float in [.nan, .infinity, 0.5, 32768, -32769] {
        #expect(
          throws: DescentError.value(
            of: "state \"remainder\"", given: "\(wrong)",
            allowed: "whole numbers from -32768 to 32767")
        ) { try optimizer.setState("remainder", of: "parameters", to: [0, 1, wrong, 2]) }
      }
      try optimizer.setState("remainder", of: "parameters", to: [-32768, 1, -1, 32767])
      #expect(try optimizer.state("remainder") == [-32768, 1, -1, 32767])
      try optimizer.step(&half, gradients: [0, 0, 0, 0] as [Float])
      #expect(try optimizer.state("remainder") == [-32768, 1, -1, 32767])
      try withTemporaryFolder { folder in
        let (own, floats) = (folder + "/own.safetensors", folder + "/floats.safetensors")
        #expect(throws: error) { try optimizer.save(to: own, parameters: wide) }
        try optimizer.save(to: own, parameters: half)
        try other.step(&wide, gradients: wide)
        try other.save(to: floats, parameters: wide)
        #expect(throws: DescentError.self) { try other.load(from: own, parameters: &wide) }
        #expect(throws: DescentError.self) { try optimizer.load(from: floats, parameters: &half) }
        #expect(throws: DescentError.self) { try optimizer.load(other.state) }
        #expect(try optimizer.stepCount == 1 && other.stepCount == 1)
      }
    }
  }

  @Test("masters begin as the parameters of the first step, and later ones are written only")
  func masters() throws {
    for choice in try TestEngines.each() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 2), storage: .float16, on: choice)
      var x: [Float16] = [1, 2]
      var point: [Float] = [0, 0]
      try optimizer.writeIterate(from: x, into: &point)
      #expect(point == [1, 2])
      try optimizer.step(&x, gradients: [0x1p-14, -0x1p-14] as [Float])
      #expect(x == [1, 2], "\(choice)")
      #expect(try optimizer.state("master") == [1 - 0x1p-14, 2 + 0x1p-14], "\(choice)")
      x = [7, 7]
      try optimizer.step(&x, gradients: [0, 1e6] as [Float])
      #expect(x == [1, -.infinity], "\(choice)")
      try optimizer.setState("master", of: "parameters", to: [3, 4])
      try optimizer.step(&x, gradients: [0, 0] as [Float])
      #expect(x == [3, 4], "\(choice)")
      try optimizer.reset()
      x = [5, 6]
      try optimizer.step(&x, gradients: [0, 0] as [Float])
      #expect(try x == [5, 6] && optimizer.state("master") == [5, 6], "\(choice)")
    }
  }

  @Test("0 and ∞ that the caller writes stay what they are, whatever the remainder")
  func written() throws {
    let floats: [Float] = [0, -0.0, 0, -0.0, .infinity, -.infinity]
    let values = floats.map { BFloat16($0) }
    for choice in try TestEngines.each() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 6), storage: .bfloat16, on: choice)
      try optimizer.setState("remainder", of: "parameters", to: [-1, -5, -32768, 0, 3, 32767])
      var (x, point) = (values, [Float](repeating: 1, count: 6))
      try optimizer.writeIterate(from: x, into: &point)
      #expect(Self.bits(point) == Self.bits(floats), "\(choice)")
      try optimizer.step(&x, gradients: [0, 0, 0, 0, 0, 0] as [Float])
      #expect(x == values, "\(choice)")
    }
  }

  @Test("the point to evaluate is written, and parameters and states are not")
  func readOnly() throws {
    for choice in try TestEngines.each() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 2), storage: .float16, on: choice)
      var x: [Float16] = [1, 2]
      try optimizer.step(&x, gradients: [0, 0] as [Float])
      x = [7, .nan]
      var point: [Float] = [0, 0]
      try optimizer.writeIterate(from: x, into: &point)
      #expect(point == [1, 2] && x[0] == 7 && x[1].isNaN)
      try optimizer.settle(&x)
      #expect(x[0] == 7 && x[1].isNaN)
    }
  }

  @Test("a state from before the first step begins with it; tensors loaded before it stay loaded")
  func beginning() throws {
    var layout = ParameterLayout()
    try layout.append("body", shape: [3], group: "body")
    try layout.append("head", shape: [2], group: "head")
    func made(_ choice: EngineChoice = .cpu) throws -> Optimizer {
      try Optimizer(
        Prodigy(), layout: layout, rules: ["head": SGD(learningRate: 1)], storage: .float16,
        on: choice)
    }
    let zeros = [Float](repeating: 0, count: 5)
    for choice in try TestEngines.each() {
      let fresh = try made(choice)
      let other = try made(choice)
      try other.restore(states: fresh.states(), stepCount: 0)
      var x: [Float16] = [1, 2, 3, 4, 5]
      try other.step(&x, gradients: zeros)
      #expect(x == [1, 2, 3, 4, 5], "\(choice)")
    }
    try withTemporaryFolder { folder in
      let (early, late) = (folder + "/early.safetensors", folder + "/late.safetensors")
      let trained = try made()
      var x: [Float16] = [1, 2, 3, 4, 5]
      try trained.save(to: early, parameters: x)
      try trained.step(&x, gradients: [0, 0, 0, 0x1p-14, 0] as [Float])
      try trained.save(to: late, parameters: x)
      let master = try trained.state("master")
      #expect(master[3] == 4 - 0x1p-14 && x[3] == 4)

      // A head is loaded, and the body begins with what it has.
      let optimizer = try made()
      var y: [Float16] = [7, 8, 9, 0, 0]
      #expect(throws: CheckpointError.self) { try optimizer.load(from: late, tensors: ["head"]) }
      try optimizer.load(from: late, parameters: &y, tensors: ["head"])
      try optimizer.step(&y, gradients: zeros)
      #expect(y == [7, 8, 9, 4, 5])
      #expect(try optimizer.state("master") == [7, 8, 9, master[3], 5])
      #expect(try optimizer.state("x0", of: "body") == [7, 8, 9])
      // A file from before the first step has nothing for one that has begun.
      #expect(throws: CheckpointError.self) {
        try optimizer.load(from: early, parameters: &y, tensors: ["head"])
      }
      // Without parameters what the storage keeps of them stays.
      try optimizer.load(from: late, tensors: ["head"])
      #expect(try optimizer.state("master") == [7, 8, 9, master[3], 5])
    }
  }

  @Test("the average is rounded into parameters of 16 bits")
  func average() throws {
    let optimizer = try Optimizer(
      SGD(learningRate: 1), layout: ParameterLayout(count: 2), storage: .bfloat16)
    optimizer.averaging = ParameterAverage(decay: 0.5)
    var x: [BFloat16] = [1, -1]
    try optimizer.step(&x, gradients: [0.25, 0.001] as [Float])
    #expect(try optimizer.average() == [0.875, -1.0005])
    var (half, wide) = ([BFloat16](repeating: 0, count: 2), [Float](repeating: 0, count: 2))
    try optimizer.writeAverage(into: &half)
    try optimizer.writeAverage(into: &wide)
    #expect(half == [0.875, -1] && wide == [0.875, -1.0005])
  }
}
