import DescentTestSupport
import Safetensors
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// What a rule may declare, by rules that are made up for it: passes, sums, numbers of every shape,
/// histories, states that begin at the parameters.
@Suite struct RulePassTests {
  /// Matrices, vectors, a number and empty tensors in two groups by turns, longer than two tiles
  /// and shorter than a lane.
  static func layout() throws -> ParameterLayout {
    var layout = try ParameterLayout(alignment: 64)
    #if DEBUG
    // Without OpenCL and optimization: no tensor of several tiles, or the reference takes minutes.
    let shapes = [
      [5, 7], [3], [], [16, 129], [2, 0], [13, 30], [1, 1700], [90, 2], [4, 3, 8], [6, 20],
    ]
    #else
    let shapes = [
      [5, 7], [3], [], [64, 129], [2, 0], [130, 300], [1, 17_000], [9_000, 2], [4, 3, 8],
      [600, 200],
    ]
    #endif
    for (index, shape) in shapes.enumerated() {
      try layout.append("t\(index)", shape: shape, group: index % 4 == 2 ? "other" : "main")
    }
    return layout
  }

  /// Matrices of both forms for the rule that needs them, and what others follow.
  static func matrices() throws -> ParameterLayout {
    var layout = try ParameterLayout(alignment: 64)
    #if DEBUG
    let shapes = [[5, 7], [3], [20, 20], [12, 40], [0, 2], [3, 3, 5], [1, 17]]
    #else
    let shapes = [
      [5, 7], [3], [130, 131], [70, 600], [0, 2], [16, 3, 5], [1, 17_000], [400, 90], [33, 9],
      [64, 64], [300, 64],
    ]
    #endif
    for (index, shape) in shapes.enumerated() {
      try layout.append("t\(index)", shape: shape, group: index % 4 == 1 ? "other" : "main")
    }
    return layout
  }

  /// One of them with two segments, each long enough for a table of the rows.
  static func engines(largestAllocation: Int = 3 << 18) throws -> [EngineChoice] {
    try TestEngines.cut(largestAllocation: largestAllocation) + [.reference]
  }

  static func bits(_ values: [Float]) -> [UInt32] {
    values.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern }
  }

  /// The result of a run, with everything that may be combined with a rule.
  private static func run(
    _ rule: any UpdateRule, _ engine: EngineChoice, controlled: Bool, saveAt: Int? = nil
  ) throws -> [String: [UInt32]] {
    let other = MadeUp.Fading()
    let layout = try rule.needsMatrices ? matrices() : layout()
    var optimizer = try Optimizer(rule, layout: layout, rules: ["other": other], on: engine)
    optimizer.averaging = ParameterAverage(decay: 0.9)
    if controlled {
      optimizer.clipping = .globalNorm(20)
      optimizer.skipsNonFinite = true
      try optimizer.setLossScale(LossScale(scale: 8, growthInterval: 2))
    }
    let pinned = PinnedSteps(count: optimizer.layout.count)
    var x = pinned.parameters.map { min(max($0, -4), 4) }
    for step in 1...7 {
      var g = pinned.gradients(step).map { min(max($0, -1e2), 1e2) }
      // The last step is skipped, and may write no number.
      if controlled && step % 4 == 3 { g[optimizer.layout.tensors[5].range.lowerBound + 5] = .nan }
      optimizer.leftOut = step == 4 ? ["t0", "t5", "t2"] : []
      if step == 5 { try optimizer.setGroup("other", to: ParameterGroup(isFrozen: true)) }
      if step == 6 { try optimizer.setGroup("other", to: ParameterGroup(learningRateFactor: 2)) }
      if step % 2 == 0 { try optimizer.accumulate(g) }
      if step % 3 == 0 {
        try optimizer.step(&x, zeroing: &g)
        #expect(optimizer.layout.tensors.allSatisfy { g[$0.range].allSatisfy { $0 == 0 } })
      } else {
        try optimizer.step(&x, gradients: g)
      }
      if step == saveAt {
        if controlled {
          optimizer = try Optimizer(optimizer.state, on: engine)
        } else {
          // The parts by name; what is not kept is not among them.
          let next = try Optimizer(rule, layout: layout, rules: ["other": other], on: engine)
          next.averaging = optimizer.averaging
          let status = try optimizer.status
          try next.restore(
            states: optimizer.states(), stepCount: status.stepCount,
            groupStepCounts: status.groupStepCounts, histories: status.histories)
          optimizer = next
        }
      }
    }
    var result: [String: [UInt32]] = [:]
    for tensor in optimizer.layout.tensors {
      result[tensor.name] = bits(Array(x[tensor.range]))
      for name in try optimizer.groupRule(tensor.group).stateNames + ["average"] {
        result[name + "." + tensor.name] = bits(try optimizer.state(name, of: tensor.name))
      }
    }
    for name in optimizer.stateNames { result[name] = bits(try optimizer.state(name)) }
    result["counts"] = [
      UInt32(try optimizer.stepCount), UInt32(try optimizer.skippedStepCount),
      Float(try optimizer.lastNorm ?? 0).bitPattern,
    ]
    return result
  }

  @Test(
    "a rule of any kind has the reference's bits on every engine", arguments: MadeUp.all.indices,
    [false, true])
  func bitsOnEveryEngine(_ index: Int, controlled: Bool) throws {
    try Self.compare(MadeUp.all[index], engines: Self.engines(), controlled: controlled)
  }

  @Test(
    "and so has one for matrices", arguments: [Muon(weightDecay: 0.01), .optax(learningRate: 0.1)],
    [false, true])
  func bitsOfMatrices(_ rule: Muon, controlled: Bool) throws {
    // Two segments, neither shorter than a matrix' workspace.
    let engines = try Self.engines(largestAllocation: 7 << 16)
    try Self.compare(rule, engines: engines, controlled: controlled)
  }

  private static func compare(
    _ rule: any UpdateRule, engines: [EngineChoice], controlled: Bool
  ) throws {
    let expected = try run(rule, .reference, controlled: controlled)
    #expect(expected["counts"]?[0...1] == (controlled ? [5, 2] : [7, 0]))
    for engine in engines {
      for saveAt in [nil, 4] {
        let found = try run(rule, engine, controlled: controlled, saveAt: saveAt)
        #expect(Set(found.keys) == Set(expected.keys))
        for (key, value) in expected {
          #expect(found[key] == value, "\(type(of: rule).name), \(engine), \(key)")
        }
      }
    }
  }

  @Test("what is compiled of a pass is what the rule declares", arguments: MadeUp.all.indices)
  func declared(_ index: Int) throws { try Self.checkPasses(MadeUp.all[index]) }

  @Test("and of the package's own rules", arguments: Rules.all.flatMap { $0.variants })
  func declared(_ variant: RuleVariant) throws { try Self.checkPasses(variant.rule) }

  static func checkPasses(_ rule: any UpdateRule) throws {
    let program = RulePrograms.Program(rule)
    #expect(program.last.work == .elements && program.last.kernel == rule.kernel)
    #expect(program.states.prefix(program.elements.count).allSatisfy { $0.shape == .parameter })
    for (index, pass) in program.passes.enumerated() where !pass.isIteration {
      let compiled = try CompiledRule(pass)
      let operands = program.operands(ofPass: index)
      let states = operands.filter {
        switch $0.name {
        case .state, .number: true
        default: false
        }
      }
      let kind =
        switch pass.work {
        case .elements: 0
        case .sums: 1
        case .numbers: 2
        case .iteration: 3
        }
      #expect(compiled.pass == kind, "\(pass.kernel)")
      #expect(compiled.stateCount == states.count, "\(pass.kernel)")
      #expect(compiled.numberCount == program.numbers(ofPass: index).count, "\(pass.kernel)")
      #expect(compiled.termCount == pass.termCount, "\(pass.kernel)")
      #expect(compiled.isReadOnly == !pass.writesStates, "\(pass.kernel)")
      #expect(index == program.passes.count - 1 || pass.work != .elements)
    }
  }

  @Test("sums are as near to Double's as their order allows, and a norm never overflows")
  func truth() throws {
    let layout = try Self.layout()
    for engine in try Self.engines() {
      let optimizer = try Optimizer(MadeUp.Rowed(), layout: layout, on: engine)
      let pinned = PinnedSteps(count: layout.count)
      var x = pinned.parameters
      let g = pinned.gradients(1).map { min(max($0, -10), 10) }
      try optimizer.step(&x, gradients: g)
      var total = 0.0
      for tensor in layout.tensors where tensor.count > 0 {
        let own = g[tensor.range].map(Double.init)
        total += own.reduce(0, +)
        let peak = own.map(\.magnitude).max() ?? 0
        let columns = tensor.shape.last ?? 1
        let rows = tensor.count / columns
        let squares = own.map { $0 * $0 }
        let truths = [
          "row": (0..<rows).map { squares[$0 * columns..<($0 + 1) * columns].reduce(0, +) },
          "column": (0..<columns).map { column in
            stride(from: column, to: own.count, by: columns).reduce(0) { $0 + squares[$1] }
          },
        ]
        for (name, sums) in truths {
          let found = try optimizer.state(name, of: tensor.name)
          try #require(found.count == sums.count)
          let worst = zip(found, sums).map { found, sum in
            abs(Double(found) / (sum + peak * peak) - 1)
          }.max()
          #expect((worst ?? 0) <= 1e-6, "\(engine) \(tensor.name) \(name)")
        }
      }
      let magnitudes = g.reduce(0.0) { $0 + Double($1.magnitude) }
      let trend = try optimizer.state("trend")
      #expect(trend.count == layout.tensors.filter { $0.count > 0 }.count)
      #expect(Set(trend).count == 1)
      #expect(abs(Double(trend[0]) - (0.375 + total)) <= 1e-6 * magnitudes)

      // Norms of numbers whose squares are no Floats.
      let wide = try Optimizer(MadeUp.Trusting(), layout: layout, on: engine)
      var y = [Float](repeating: 3e30, count: layout.count)
      try wide.step(&y, gradients: [Float](repeating: 1e-30, count: layout.count))
      let ratios = try wide.state("ratio")
      #expect(ratios.allSatisfy { $0.isFinite || $0 == .infinity })
      var small = [Float](repeating: 3e25, count: layout.count)
      try wide.reset()
      try wide.step(&small, gradients: [Float](repeating: 1e25, count: layout.count))
      for ratio in try wide.state("ratio") { #expect(abs(ratio - 15.5) < 1e-4) }
    }
  }

  @Test("a first step that is skipped writes no number")
  func skipped() throws {
    for engine in try Self.engines() {
      let optimizer = try Optimizer(MadeUp.Trusting(), layout: Self.layout(), on: engine)
      optimizer.skipsNonFinite = true
      var x = PinnedSteps(count: optimizer.layout.count).parameters
      try optimizer.step(&x, gradients: x.map { _ in Float.nan })
      #expect(try optimizer.skippedStepCount == 1)
      #expect(try Set(optimizer.state("parameterNorm")) == [2], "\(engine)")
      #expect(try Set(optimizer.state("ratio")) == [1] && Set(optimizer.state("m")) == [0])
    }
  }

  @Test("a number's tiles are its elements, once, and none of a tensor that has no step")
  func tiles() throws {
    let layout = try Self.layout()
    let rules = layout.groupNames.map { name -> any UpdateRule in
      if name == "main" { MadeUp.Rowed() } else { MadeUp.Fading() }
    }
    let programs = RulePrograms(layout, rules, else: MadeUp.Rowed())
    for leftOut in [[], layout.tensors.indices.map { $0 == 5 || $0 == 7 }] as [[Bool]] {
      for isFrozen in [false, true] {
        for shape in StateShape.allCases where shape != .parameter {
          let plan = SumPlan(
            programs, program: 0, over: shape, leftOut: leftOut, isIdle: { _ in isFrozen })
          let map = try #require(programs.map(shape, of: 0))
          var expected: [Int: Set<Int>] = [:]
          for (index, tensor) in layout.tensors.enumerated() where tensor.group == "main" {
            if isFrozen || !leftOut.isEmpty && leftOut[index] { continue }
            let columns = tensor.shape.last ?? 1
            for element in tensor.range {
              let place = (element - tensor.range.lowerBound).quotientAndRemainder(
                dividingBy: columns)
              let number =
                switch shape {
                case .rows: map[index].lowerBound + place.quotient
                case .columns: map[index].lowerBound + place.remainder
                default: map[index].lowerBound
                }
              expected[number, default: []].insert(element)
            }
          }
          #expect(plan.places.count == expected.count && Set(plan.places) == Set(expected.keys))
          #expect(plan.tiles.allSatisfy { (1...Tile.length).contains($0.count) })
          for (place, number) in plan.places.enumerated() {
            let own = Int(plan.numbers.starts[place])..<Int(plan.numbers.starts[place + 1])
            let elements = plan.numbers.list[own].flatMap { index in
              let tile = plan.tiles[Int(index)]
              return (0..<tile.count).map { tile.start + $0 * tile.stride }
            }
            #expect(elements.count == expected[number]?.count && Set(elements) == expected[number])
          }
          var tiles: Set<Int> = []
          for panel in plan.panels {
            #expect((1...SumPlan.Panel.width).contains(panel.columns))
            for column in 0..<panel.columns {
              let tile = panel.tile + column * panel.step
              #expect(tiles.insert(tile).inserted)
              #expect(
                plan.tiles[tile]
                  == SumPlan.Tile(
                    start: panel.start + column, count: panel.rows, stride: panel.stride))
            }
          }
          #expect(tiles.count == (shape == .columns ? plan.tiles.count : 0))
        }
      }
    }
  }

  @Test(
    "terms that are not finite leave the same numbers, whether a number has one tile or several")
  func infinite() throws {
    let layout = try Self.layout()
    for rule in [MadeUp.Rowed(), MadeUp.Trusting()] as [any UpdateRule] {
      for value in [Float.infinity, .nan, -.infinity, 1e20] {
        var expected: [String: [UInt32]] = [:]
        for engine in [.reference] + (try Self.engines()) {
          let optimizer = try Optimizer(rule, layout: layout, on: engine)
          let pinned = PinnedSteps(count: layout.count)
          var x = pinned.parameters.map { min(max($0, -4), 4) }
          var g = pinned.gradients(1).map { min(max($0, -10), 10) }
          for tensor in layout.tensors where tensor.count > 6 {
            g[tensor.range.lowerBound + 5] = value
          }
          for _ in 1...2 { try optimizer.step(&x, gradients: g) }
          var found = ["x": Self.bits(layout.tensors.flatMap { x[$0.range] })]
          for name in optimizer.stateNames {
            found[name] = Self.bits(
              try layout.tensors.flatMap { try optimizer.state(name, of: $0.name) })
          }
          if expected.isEmpty { expected = found }
          for (key, bits) in expected {
            #expect(found[key] == bits, "\(type(of: rule).name) \(value) \(engine) \(key)")
          }
        }
      }
    }
  }

  @Test("empty tensors whose other sizes are huge have no numbers, and are saved and read")
  func huge() throws {
    try withTemporaryFolder { folder in
      var layout = ParameterLayout()
      try layout.append("empty", shape: [.max, 2, 0])
      try layout.append("a", shape: [2])
      for rule in MadeUp.all + [Adam()] {
        let optimizer = try Optimizer(rule, layout: layout, on: .cpu)
        var x: [Float] = [1, 2]
        try optimizer.step(&x, gradients: x)
        for name in rule.stateNames { #expect(try optimizer.state(name, of: "empty") == []) }
        try optimizer.save(to: folder + "/huge.safetensors", parameters: x)
      }
      let file = try Checkpoint(folder + "/huge.safetensors")
      let twin = try Optimizer(file, on: .cpu)
      #expect(try twin.state("m", of: "a").count == 2 && twin.state("m", of: "empty") == [])
    }
  }

  /// A rule with any declaration.
  private struct Declared: UpdateRule {
    static let name = "declared"
    var learningRate = 0.01
    var weightDecay = 0.0
    var appliedDecay: WeightDecay { .none }
    var maximize = false
    static let hyperparameters: [Hyperparameter<Self>] = []
    static let variants: [RuleVariant] = []
    var kernel: String { "trusting" }
    var names = ["m", "ratio"]
    var shapes = [StateShape.parameter, .tensor]
    var startsAtParameters = [false, false]
    var works = [RulePass.Work.sums([RuleSum(.norm, into: "ratio")]), .elements]
    var point: String?
    var inputs: Set<RulePass.Input>?

    private enum CodingKeys: CodingKey { case learningRate }
    init() {}
    init(from decoder: any Decoder) throws {}

    var states: [StateSpec] {
      names.indices.map {
        StateSpec(
          names[$0], shapes[$0], start: startsAtParameters[$0] ? .parameters : .value(0))
      }
    }
    var passes: [RulePass] { works.map { MadeUp.pass($0, kernel, reading: inputs) } }
    func evaluationPoint(afterStep: Bool) -> EvaluationPoint? {
      point.map { EvaluationPoint(state: $0, factor: 1) }
    }
    func scalars(at step: Int) -> Float { 0 }
    func reference<T: BinaryFloatingPoint>(_ elements: ReferenceElements<T>, at step: Int) {}
  }

  #if OpenCL
  @Test(
    "sums are fused with their pass only where no tile is cut",
    arguments: [LAMB(weightDecay: 0.01), Prodigy()] as [any UpdateRule])
  func cutTiles(_ rule: any UpdateRule) throws {
    var layout = ParameterLayout()
    try layout.append("frozen", shape: [40_000], group: "frozen")
    try layout.append("tensor", shape: [200, 100])
    try layout.setGroup("frozen", to: ParameterGroup(isFrozen: true))
    let inputs = PinnedSteps(count: layout.count)
    let reference = try Optimizer(rule, layout: layout, on: .reference)
    var expected = inputs.parameters
    for device in Device.all where device.sameBits.isYes && device.type.contains(.cpu) {
      let optimizer = try Optimizer(rule, layout: layout, on: .openCL(device))
      let engine = try #require(optimizer.engine as? OpenCLEngine)
      try reference.reset()
      expected = inputs.parameters
      var x = expected
      let g = inputs.gradients(1)
      for (step, cut) in [60_000, 50_000, 60_000, 50_000, 56_384].enumerated() {
        try x.withUnsafeMutableBufferPointer { x in
          try g.withUnsafeBufferPointer { g in
            let cuts = [0..<cut, cut..<layout.count].filter { !$0.isEmpty }
            try optimizer.step(
              cuts.map { UnsafeMutableBufferPointer(rebasing: x[$0]) },
              gradients: cuts.map { UnsafeBufferPointer(rebasing: g[$0]) })
          }
        }
        try reference.step(&expected, gradients: g)
        #expect(x.map(\.bitPattern) == expected.map(\.bitPattern), "step \(step)")
        // 56,384 is where the second tile of the tensor begins.
        let isFused = engine.own[0].passes[0].sums?.tileStarts.isEmpty == false
        #expect(isFused == (cut != 50_000), "step \(step)")
      }
    }
  }
  #endif

  @Test("a rule that contradicts itself is refused when an optimizer is made")
  func contradictions() throws {
    let changes: [(String, (inout Declared) -> Void)] = [
      ("two states of one name", { $0.names = ["m", "m"] }),
      ("come first", { $0.shapes = [.tensor, .parameter] }),
      ("begins as the parameters", { $0.startsAtParameters = [false, true] }),
      ("the last pass", { $0.works.reverse() }), ("the last pass", { $0.works = [] }),
      ("\"typo\"", { $0.works[0] = .sums([RuleSum(.sum, into: "typo")]) }),
      ("\"m\"", { $0.works[0] = .sums([RuleSum(.sum, into: "m")]) }),
      (
        "allowed are 4",
        { $0.works[0] = .sums(.init(repeating: RuleSum(.sum, into: "ratio"), count: 5)) }
      ),
      (
        "every term is summed",
        { $0.works[0] = .sums([RuleSum(.sum, into: "ratio", ofTerm: 1)]) }
      ), ("for a pass to read", { $0.inputs = [.gradients, .state("ratio")] }),
      ("to evaluate", { $0.point = "ratio" }),
    ]
    for (text, change) in changes {
      var rule = Declared()
      try RulePrograms.Program(rule).validate(rule)
      change(&rule)
      for engine in try TestEngines.each() {
        let error = #expect(throws: DescentError.self) {
          try Optimizer(rule, layout: ParameterLayout(count: 3), on: engine)
        }
        #expect(
          "\(String(describing: error))".contains(text), "\(text): \(String(describing: error))")
      }
    }
  }

  @Test("before a first step the point to evaluate takes a state as it will begin")
  func point() throws {
    let optimizer = try Optimizer(MadeUp.Anchored(), layout: Self.layout(), on: .cpu)
    let x = PinnedSteps(count: optimizer.layout.count).parameters
    var point = x
    try optimizer.writeIterate(from: x, into: &point)
    for tensor in optimizer.layout.tensors {
      for i in tensor.range { #expect(point[i] == x[i] + 0.5 * x[i]) }
    }
  }

  @Test("rules of any kind step over nothing, and over a model with nothing for one of them")
  func nothing() throws {
    for engine in try Self.engines() {
      for rule in MadeUp.all {
        let none = try Optimizer(rule, layout: ParameterLayout(), on: engine)
        var x: [Float] = []
        try none.step(&x, gradients: x)
        #expect(try none.stepCount == 1)
        #expect(try none.state.values.allSatisfy { $0.value.isEmpty })

        var layout = ParameterLayout()
        try layout.append("empty", shape: [3, 0])
        try layout.append("vector", shape: [2], group: "other")
        let one = try Optimizer(rule, layout: layout, rules: ["other": SGD()], on: engine)
        one.skipsNonFinite = true
        var y: [Float] = [1, 2]
        try one.step(&y, gradients: [1, 1] as [Float])
        #expect(try one.stepCount == 1 && y[0] < 1)
      }
    }
  }

  @Test("a file has a state with the shape that it has a number for")
  func files() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/rowed.safetensors"
      let optimizer = try Optimizer(MadeUp.Rowed(), layout: Self.layout(), on: .cpu)
      var x = PinnedSteps(count: optimizer.layout.count).parameters
      try optimizer.step(&x, gradients: x)
      try optimizer.save(to: path)
      let tensors = try SafetensorsReader(path).tensors
      let file = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
      #expect(file["optimizer.row.t5"] == [optimizer.layout.tensors[5].shape[0]])
      #expect(file["optimizer.column.t5"] == [optimizer.layout.tensors[5].shape[1]])
      #expect(file["optimizer.row.t8"] == [4, 3])
      #expect(file["optimizer.column.t1"] == [3])
      #expect(file["optimizer.row.t1"] == [])
      #expect(file["optimizer.row.t4"] == [0])
      #expect(file["optimizer.trend.t2"] == [])
      #expect(file["optimizer.rowSum.t5"] == nil && file["optimizer.peak.t5"] == nil)
    }
  }

  @Test("vectors without whole tensors are refused: a rule of several passes needs an optimizer")
  func stateless() throws {
    for rule in [MadeUp.Trusting(), MadeUp.Rowed()] as [any UpdateRule] {
      var x: [Float] = [1, 2]
      var states = [[Float]](repeating: [0, 0], count: rule.stateNames.count)
      #expect(throws: DescentError.self) {
        try rule.update(&x, gradients: [1, 1], states: &states, step: 1)
      }
      #expect(x == [1, 2])
    }
  }
}
