import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// A type of 16 bits, as these tests need it.
private protocol HalfElement: VectorElement {
  init(_ value: Float)
  init(bitPattern: UInt16)
  var bitPattern: UInt16 { get }
  var value: Float { get }
}

extension Float16: HalfElement {
  fileprivate var value: Float { Float(self) }
}

extension BFloat16: HalfElement {
  fileprivate var value: Float { Float(self) }
}

/// Gradients in 16 bits: a step takes exactly the Floats that they are.
@Suite struct GradientTypeTests {
  /// Any bits, NaN without its payload.
  private static func bits(_ values: [Float]) -> [UInt32] { RulePassTests.bits(values) }

  /// Each engine once, and each instruction set over small blocks.
  private static func engines() throws -> [EngineChoice] {
    try TestEngines.each()
      + InstructionSet.available.map { .cpu(threads: 3, instructions: $0, block: 1000) }
  }

  /// Gradients of a step, rounded to the type; in the third step one is not finite.
  private static func gradients<Half: HalfElement>(
    _ type: Half.Type, _ count: Int, _ step: Int
  ) -> [Half] {
    var values = PinnedSteps(count: count).gradients(step).map { Half(min(max($0, -1e3), 1e3)) }
    if step == 3 { values[7919 % count] = Half(.infinity) }
    return values
  }

  /// A run in which every step has something else, with gradients as `gradients` makes them.
  private static func run<Gradients: MutableVector>(
    _ rule: any UpdateRule, _ layout: ParameterLayout, _ choice: EngineChoice,
    _ gradients: (Int) -> Gradients, isZero: (Gradients) -> Bool
  ) throws -> Outcome {
    let optimizer = try Optimizer(rule, layout: layout, on: choice)
    let frozen = layout.groupNames[layout.groupNames.count - 1]
    optimizer.averaging = ParameterAverage(decay: 0.9)
    var x = PinnedSteps(count: layout.count).parameters.map { min(max($0, -4), 4) }
    for step in 1...8 {
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
      if step % 2 == 0 { try optimizer.accumulate(gradients(10 * step)) }
      var g = gradients(step)
      if step % 4 == 0 {
        try optimizer.accumulate(zeroing: &g)
        #expect(isZero(g))
        g = gradients(step)
      }
      // The third is skipped, the seventh has a frozen group, the eighth a tensor left out.
      if [1, 3, 7, 8].contains(step) {
        try optimizer.step(&x, zeroing: &g)
        #expect(isZero(g))
      } else {
        try optimizer.step(&x, gradients: g)
      }
    }
    return Outcome(
      run: try RunOutcome(optimizer, x), average: RulePassTests.bits(try optimizer.average()))
  }

  private struct Outcome: Equatable {
    let run: RunOutcome
    let average: [UInt32]
  }

  private static func agree<Half: HalfElement>(_ type: Half.Type) throws {
    let cases: [(any UpdateRule, ParameterLayout)] = [
      (AdamW(weightDecay: 0.1), try .evenAndOdd()),
      (SGD(learningRate: 0.1), try ParameterLayout(count: 1)),
      (Momentum(learningRate: 0.1, momentum: 0.9), try ParameterLayout(count: 4099)),
      (LAMB(), try ParameterLayout(count: 20_011)),
      (Adafactor(), try ParameterLayout(count: 4099, for: Adafactor())),
      (Muon(), try ParameterLayout(count: 1020, for: Muon())),
      (Prodigy(), try ParameterLayout(count: 1027)),
      (ScheduleFreeAdamW(), try ParameterLayout(count: 1027)),
    ]
    for (rule, layout) in cases {
      func isZero(_ value: Float, _ index: Int) -> Bool {
        value == 0 || !layout.tensors.contains { $0.range.contains(index) }
      }
      let expected = try run(rule, layout, .reference) { step in
        gradients(type, layout.count, step).map(\.value)
      } isZero: { g in
        g.enumerated().allSatisfy { isZero($1, $0) }
      }
      // Every kind of cut for one rule: drivers build each of its programs anew.
      let choices =
        rule is AdamW && type == BFloat16.self
        ? try TestEngines.cut() + [.reference]
        : try engines()
      for choice in choices {
        let found = try run(rule, layout, choice) { step in
          gradients(type, layout.count, step)
        } isZero: { g in
          g.enumerated().allSatisfy { isZero($1.value, $0) }
        }
        #expect(found == expected, "\(Swift.type(of: rule)).\(type) on \(choice)")
      }
    }
  }

  @Test("a step takes BFloat16 gradients for the Floats that they are, on every engine")
  func bfloat16() throws { try Self.agree(BFloat16.self) }

  @Test("a step takes Float16 gradients for the Floats that they are, on every engine")
  func float16() throws { try Self.agree(Float16.self) }

  /// Every pattern of 16 bits as a gradient that begins a sum, and one that a step is taken from.
  private static func exhaust<Half: HalfElement>(_ type: Half.Type) throws {
    let all = (0...UInt16.max).map { Half(bitPattern: $0) }
    let layout = try ParameterLayout(count: all.count)
    for choice in try engines() {
      let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout, on: choice)
      var x = [Float](repeating: 0, count: all.count)
      try optimizer.step(&x, gradients: all)
      #expect(bits(x) == bits(all.map { 0 - $0.value }), "\(choice)")
      x = x.map { _ in 0 }
      try optimizer.accumulate(all)
      try optimizer.step(&x, gradients: [Half](repeating: Half(-0.0), count: all.count))
      #expect(bits(x) == bits(all.map { 0 - ($0.value + -0.0) }), "\(choice)")
    }
  }

  @Test("each of the 65,536 patterns is the number that it stands for")
  func patterns() throws {
    try Self.exhaust(BFloat16.self)
    try Self.exhaust(Float16.self)
  }

  @Test("a type may change with every step, also of what is summed up and where norms are taken")
  func changes() throws {
    let layout = try ParameterLayout.evenAndOdd()
    func run(_ choice: EngineChoice, isWide: Bool) throws -> RunOutcome {
      let optimizer = try Optimizer(AdamW(), layout: layout, on: choice)
      optimizer.clipping = .globalNorm(1)
      var x = PinnedSteps(count: layout.count).parameters.map { min(max($0, -4), 4) }
      func each(
        _ step: Int, _ kind: Int, _ body: (Optimizer, inout [Float], any Vector) throws -> Void
      ) throws {
        let halves = Self.gradients(Float16.self, layout.count, step)
        let bfloats = Self.gradients(BFloat16.self, layout.count, step)
        switch kind % 3 {
        case 0: try body(optimizer, &x, halves.map { Float($0) })
        case 1: try body(optimizer, &x, isWide ? halves.map { Float($0) } as any Vector : halves)
        default: try body(optimizer, &x, isWide ? bfloats.map { Float($0) } as any Vector : bfloats)
        }
      }
      for step in 4...12 {
        if step > 7 { try each(100 + step, step / 2) { try Self.accumulate($0, $2) } }
        try each(step, step) { try Self.step($0, &$1, $2) }
      }
      return try RunOutcome(optimizer, x)
    }
    let expected = try run(.reference, isWide: true)
    for choice in try TestEngines.cut() + [.reference] {
      #expect(try run(choice, isWide: false) == expected, "\(choice)")
    }
  }

  private static func accumulate(_ optimizer: Optimizer, _ g: some Vector) throws {
    try optimizer.accumulate(g)
  }

  private static func step(_ optimizer: Optimizer, _ x: inout [Float], _ g: some Vector) throws {
    try optimizer.step(&x, gradients: g)
  }

  @Test("in pieces, spans and buffers; the stateless tier too")
  func forms() throws {
    let g = Self.gradients(BFloat16.self, 1000, 1)
    var expected = PinnedSteps(count: 1000).parameters
    var own = expected
    var states = [[Float](repeating: 0, count: 1000), [Float](repeating: 0, count: 1000)]
    var others = states
    let rule = Adam(learningRate: 0.01)
    try rule.update(&expected, gradients: g.map { Float($0) }, states: &states, step: 1)
    try rule.update(&own, gradients: g, states: &others, step: 1)
    #expect(Self.bits(own) == Self.bits(expected))
    #expect(states.map(Self.bits) == others.map(Self.bits))
    var (deltas, same) = ([Float](repeating: 0, count: 1000), [Float](repeating: 0, count: 1000))
    try rule.delta(own, gradients: g.map { Float($0) }, states: &states, into: &deltas, step: 2)
    try rule.delta(own, gradients: g, states: &others, into: &same, step: 2)
    #expect(Self.bits(deltas) == Self.bits(same))
    #expect(states.map(Self.bits) == others.map(Self.bits))

    for choice in try Self.engines() {
      let optimizer = try Optimizer(rule, layout: ParameterLayout(count: 1000), on: choice)
      var x = PinnedSteps(count: 1000).parameters
      var gradients = g
      try gradients.withUnsafeMutableBufferPointer { g in
        let pieces = [
          UnsafeBufferPointer(rebasing: g[..<1]), UnsafeBufferPointer(rebasing: g[1..<1]),
          UnsafeBufferPointer(rebasing: g[1...]),
        ]
        try optimizer.step(&x, gradients: pieces)
      }
      #expect(Self.bits(x) == Self.bits(expected), "\(choice)")
      let wide = g.map { Float($0) }
      try optimizer.step(&x, gradients: wide.span)
      let other = try Optimizer(rule, layout: ParameterLayout(count: 1000), on: choice)
      var y = PinnedSteps(count: 1000).parameters
      try other.step(&y, gradients: wide)
      try other.step(&y, gradients: g.span)
      #expect(Self.bits(x) == Self.bits(y), "\(choice)")
    }
  }

  @Test("parameters and other vectors of another type are refused, and nothing is touched")
  func refused() throws {
    var half = [BFloat16](repeating: 1, count: 4)
    var states = [[Float]]()
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 4), on: choice)
      let error = DescentError.value(
        of: "the element type of parameters", given: "BFloat16", allowed: "Float")
      #expect(throws: error) {
        try optimizer.step(&half, gradients: [Float](repeating: 1, count: 4))
      }
      #expect(throws: error) { try optimizer.settle(&half) }
      var wide = [Float](repeating: 1, count: 4)
      #expect(throws: error) { try optimizer.writeIterate(from: half, into: &wide) }
      #expect(
        throws: DescentError.value(
          of: "the element type of iterate", given: "BFloat16", allowed: "Float")
      ) { try optimizer.writeIterate(from: wide, into: &half) }
      try withTemporaryFolder { folder in
        let path = folder + "/half.safetensors"
        #expect(throws: error) { try optimizer.save(to: path, parameters: half) }
        try optimizer.save(to: path, parameters: wide)
        #expect(throws: error) { try optimizer.load(from: path, parameters: &half) }
      }
      var deltas = half
      #expect(
        throws: DescentError.value(
          of: "the element type of deltas", given: "BFloat16", allowed: "Float")
      ) { try SGD().delta(wide, gradients: wide, states: &states, into: &deltas, step: 1) }
      #expect(throws: error) {
        try SGD().update(
          &half, gradients: [Float](repeating: 1, count: 4), states: &states, step: 1)
      }
      #expect(half == [1, 1, 1, 1])
      #expect(try optimizer.stepCount == 0)
    }
  }

  #if OpenCL
  @Test("on a device, in slices; parts of one vector have one type", .needsDevice)
  func device() throws {
    for queue in try TestDevices.queues.get() {
      let layout = try ParameterLayout.evenAndOdd()
      let g = Self.gradients(Float16.self, layout.count, 1)
      let start = PinnedSteps(count: layout.count).parameters
      let reference = try Optimizer(Adam(), layout: layout, on: .reference)
      var expected = start
      reference.clipping = .globalNorm(1)
      try reference.step(&expected, gradients: g)
      try reference.step(&expected, gradients: g)
      let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
      optimizer.clipping = .globalNorm(1)
      let x = try Buffer(queue.context, copying: start)
      let gradients = try Buffer(queue.context, copying: g)
      try optimizer.enqueueStep(x, gradients: gradients)
      try optimizer.enqueueStep(x, gradients: gradients, zeroing: true)
      #expect(try Self.bits(x.read(on: queue)) == Self.bits(expected))
      let zeroed = try gradients.read(on: queue)
      #expect(layout.tensors.allSatisfy { zeroed[$0.range].allSatisfy { $0.bitPattern == 0 } })
      let half = try Buffer<Float16>(queue.context, count: layout.count)
      #expect(
        throws: DescentError.value(
          of: "the element type of parameters", given: "Float16", allowed: "Float")
      ) { try optimizer.enqueueStep(half, gradients: gradients) }
      struct Mixed: DeviceVector {
        let first: Buffer<Float16>
        let second: Buffer<BFloat16>
        func appendMemory(to memory: inout DeviceMemory) {
          first.appendMemory(to: &memory)
          second.appendMemory(to: &memory)
        }
      }
      let mixed = Mixed(
        first: try Buffer(queue.context, count: 1),
        second: try Buffer(queue.context, count: layout.count - 1))
      #expect(
        throws: DescentError.value(
          of: "the element type of a part of gradients", given: "BFloat16",
          allowed: "Float16, as in its first part")
      ) { try optimizer.enqueueStep(x, gradients: mixed) }
    }
  }

  @Test("a tile of 16 bits sums to the same by an item and by a group", .needsDevice)
  func tileBodies() throws {
    let layout = try ParameterLayout.evenAndOdd()
    let control = StepControl(clipping: .tensorNorm(1), isFrozen: [false, false])
    let g = Self.gradients(BFloat16.self, layout.count, 1)
    for queue in try TestDevices.queues.get() {
      var found: [[Float]] = []
      for groupPerTile in [false, true] {
        for isWide in [false, true] {
          let gradients =
            isWide
            ? DeviceSlice(
              try Buffer(queue.context, copying: g.map { Float($0) }).whole, of: .float32)
            : DeviceSlice(try Buffer(queue.context, copying: g).whole, of: .bfloat16)
          let norm = try DeviceNorm(layout, control, queue.context, groupPerTile: groupPerTile)
          try norm.prepare(
            Pieces(count: layout.count), of: gradients.type, sum: nil, queue.context)
          let state = try DeviceControl(queue, lossScale: nil)
          try norm.enqueue([gradients], scale: 1, state: state.state, on: queue, after: [])
          let now = try state.state.read(on: queue)[0]
          found.append(try norm.coefficients.read(on: queue) + [now.total.sum])
        }
      }
      #expect(found.allSatisfy { $0 == found[0] } && found[0].contains { $0 < 1 })
    }
  }
  #endif
}
