import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// A rule and a schedule for a group of its own.
@Suite struct GroupRuleTests {
  /// Tensors of two groups by turns, short and long ones, with gaps.
  static func layout() throws -> ParameterLayout {
    var layout = try ParameterLayout(alignment: 64)
    for (index, count) in [3, 0, 700, 33, 70_000, 1, 17, 20_000].enumerated() {
      try layout.append("t\(index)", shape: [count], group: index % 3 == 0 ? "odd" : "even")
    }
    return layout
  }

  static let odd = Momentum(learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 0.1)
  static let even = AdamW(learningRate: 1e-2, weightDecay: 0.1)

  static func engines() throws -> [EngineChoice] { try TestEngines.cut() + [.reference] }

  private static func optimizer(_ engine: EngineChoice) throws -> Optimizer {
    try Optimizer(even, layout: layout(), rules: ["odd": odd], on: engine)
  }

  /// Parameters and states of the tensors, without the elements between them.
  private static func values(_ optimizer: Optimizer, _ x: [Float]) throws -> [String: [Float]] {
    var result: [String: [Float]] = [:]
    for tensor in optimizer.layout.tensors {
      result[tensor.name] = Array(x[tensor.range])
      let rule = try optimizer.groupRule(tensor.group)
      for name in rule.stateNames {
        result[name + "." + tensor.name] = try optimizer.state(name, of: tensor.name)
      }
    }
    return result
  }

  private static func bits(_ values: [String: [Float]]) -> [String: [UInt32]] {
    values.mapValues { $0.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern } }
  }

  @Test("each group steps as an optimizer of its own would, on every engine")
  func apart() throws {
    for engine in try Self.engines() {
      let both = try Self.optimizer(engine)
      let alone = [
        "odd": try Optimizer(Self.odd, layout: Self.layout(), on: .reference),
        "even": try Optimizer(Self.even, layout: Self.layout(), on: .reference),
      ]
      let pinned = PinnedSteps(count: both.layout.count, special: true)
      var x = pinned.parameters
      var separate = ["odd": x, "even": x]
      for step in 1...4 {
        try both.step(&x, gradients: pinned.gradients(step))
        for (name, optimizer) in alone {
          try optimizer.step(&separate[name]!, gradients: pinned.gradients(step))
        }
      }
      let found = Self.bits(try Self.values(both, x))
      for (name, optimizer) in alone {
        let expected = Self.bits(try Self.values(optimizer, separate[name]!))
        for tensor in both.layout.tensors where tensor.group == name {
          for key in found.keys where key == tensor.name || key.hasSuffix("." + tensor.name) {
            #expect(found[key] == expected[key], "\(both.engineName), \(key)")
          }
        }
      }
      #expect(both.stateNames.sorted() == ["b", "m", "v"])
      #expect(throws: DescentError.self) { try both.state("m", of: "t0") }
      #expect(throws: DescentError.self) { try both.state("b", of: "t1") }
      #expect(try both.state("m").count == both.layout.count)
    }
  }

  /// The result of a run of the mixed optimizer, with everything that may be combined with a rule.
  private static func run(_ engine: EngineChoice, saveAt: Int? = nil) throws -> [String: [UInt32]] {
    var optimizer = try optimizer(engine)
    func set(_ optimizer: Optimizer) throws {
      optimizer.clipping = .globalNorm(3)
      optimizer.skipsNonFinite = true
      optimizer.averaging = ParameterAverage(decay: 0.9)
      try optimizer.setGroupSchedule("odd", to: .cosine(from: 0.02, steps: 6))
      optimizer.schedule = .linear(from: 0.001, to: 0.01, steps: 3)
      try optimizer.setLossScale(LossScale(scale: 8, growthInterval: 2))
    }
    try set(optimizer)
    let pinned = PinnedSteps(count: optimizer.layout.count)
    var x = pinned.parameters.map { min(max($0, -4), 4) }
    for step in 1...8 {
      var g = pinned.gradients(step).map { min(max($0, -1e3), 1e3) }
      if step == 3 { g[optimizer.layout.tensors[4].range.lowerBound + 5] = .nan }
      optimizer.leftOut = step == 5 ? ["t2", "t3"] : []
      if step == 6 { try optimizer.setGroup("odd", to: ParameterGroup(isFrozen: true)) }
      if step == 7 { try optimizer.setGroup("odd", to: ParameterGroup(learningRateFactor: 2)) }
      if step % 2 == 0 { try optimizer.accumulate(g) }
      try optimizer.step(&x, zeroing: &g)
      #expect(optimizer.layout.tensors.allSatisfy { g[$0.range].allSatisfy { $0 == 0 } })
      if step == saveAt {
        let state = try optimizer.state
        #expect(state.status.groupRules["odd"] as? Momentum == Self.odd)
        optimizer = try Optimizer(state, on: engine)
      }
    }
    var result = bits(try values(optimizer, x))
    for tensor in optimizer.layout.tensors {
      result["average." + tensor.name] = try optimizer.average(of: tensor.name).map(\.bitPattern)
    }
    result["counts"] = [
      UInt32(try optimizer.stepCount), UInt32(try optimizer.skippedStepCount),
      UInt32(try optimizer.stepCount(ofGroup: "odd")),
      Float(try optimizer.lastNorm ?? 0).bitPattern,
      Float(try optimizer.lossScale?.scale ?? 0).bitPattern,
    ]
    return result
  }

  @Test("one norm, one decision, one average over both rules: the same bits on every engine")
  func together() throws {
    let expected = try Self.run(.reference)
    #expect(expected["counts"]?[0...2] == [7, 1, 6])
    for engine in try Self.engines() {
      for saveAt in [nil, 5] {
        let found = try Self.run(engine, saveAt: saveAt)
        for (key, value) in expected { #expect(found[key] == value, "\(engine) \(key)") }
      }
    }
  }

  @Test("a checkpoint of both rules has each tensor's own states, and goes on on another engine")
  func checkpoint() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/both.safetensors"
      let first = try Self.optimizer(.cpu)
      try first.setGroupSchedule("odd", to: .constant(0.5))
      let pinned = PinnedSteps(count: first.layout.count)
      var x = pinned.parameters
      for step in 1...3 { try first.step(&x, gradients: pinned.gradients(step)) }
      try first.save(to: path, parameters: x)
      let file = try Checkpoint(path)
      #expect(file.status?.stateNames(ofTensor: "t0") == ["b"])
      #expect(try first.groupSchedule("odd") == .constant(0.5))
      for engine in try Self.engines() {
        let twin = try Self.optimizer(engine)
        var y = [Float](repeating: 0, count: x.count)
        try twin.load(from: file, parameters: &y)
        #expect(try twin.groupSchedule("odd") == .constant(0.5))
        var z = x
        let again = try Self.optimizer(.cpu)
        try again.load(from: file)
        for step in 4...5 {
          try twin.step(&y, gradients: pinned.gradients(step))
          try again.step(&z, gradients: pinned.gradients(step))
        }
        #expect(Self.bits(try Self.values(twin, y)) == Self.bits(try Self.values(again, z)))
      }
      // The rules the other way round fit by what each group follows.
      let turned = try Optimizer(
        Self.odd, layout: Self.layout(), rules: ["even": Self.even], on: .cpu)
      var y = [Float](repeating: 0, count: x.count)
      try turned.load(from: file, parameters: &y)
      let (found, expected) = (
        Self.bits(try Self.values(turned, y)), Self.bits(try Self.values(first, x))
      )
      #expect(Set(found.keys) == Set(expected.keys))
      for (key, value) in expected { #expect(found[key] == value, "\(key)") }
      #expect(try turned.groupRule("even") is AdamW && turned.rule is Momentum)
      // One rule for all does not fit, and says which.
      let plain = try Optimizer(Self.even, layout: Self.layout(), on: .cpu)
      #expect(throws: CheckpointError.self) { try plain.load(from: file) }
      #expect(try plain.stepCount == 0)
    }
  }

  @Test("groups of PyTorch that differ in betas or momentum have rules of their own, both ways")
  func pyTorch() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/torch.safetensors"
      let rules: [(any UpdateRule, any UpdateRule)] = [
        (
          AdamW(learningRate: 1e-3, beta1: 0.9),
          AdamW(learningRate: 1e-3, beta1: 0.8, epsilon: 1e-6)
        ),
        (Momentum(learningRate: 0.1, momentum: 0.9), SGD(learningRate: 0.1)),
      ]
      for (rule, own) in rules {
        let first = try Optimizer(rule, layout: Self.layout(), rules: ["odd": own], on: .cpu)
        let pinned = PinnedSteps(count: first.layout.count)
        func gradients(_ step: Int) -> [Float] {
          pinned.gradients(step).map { min(max($0, -1e3), 1e3) }
        }
        var x = pinned.parameters.map { min(max($0, -4), 4) }
        for step in 1...2 { try first.step(&x, gradients: gradients(step)) }
        try first.save(to: path, parameters: x, naming: .pyTorch)
        let status = try Checkpoint(path).status
        #expect(status?.groupRules.count == 1)
        let twin = try Optimizer(rule, layout: Self.layout(), rules: ["odd": own], on: .cpu)
        // The group that comes first in the file has a rule of its own here, and keeps it.
        try twin.setGroupSchedule("odd", to: .constant(0.25))
        try twin.load(from: path)
        #expect(AnyHashable(twin.rule) == AnyHashable(rule))
        #expect(AnyHashable(try twin.groupRule("odd")) == AnyHashable(own))
        #expect(try twin.groupSchedule("odd") == .constant(0.25))
        twin.schedule = .constant(0)
        var z = x
        try twin.step(&z, gradients: gradients(3))
        for tensor in twin.layout.tensors where tensor.count > 0 {
          #expect(
            (x[tensor.range] == z[tensor.range]) == (tensor.group == "even"), "\(tensor.name)")
        }
        try twin.setGroupSchedule("odd", to: nil)
        twin.setLearningRate(rule.learningRate)
        var y = [Float](repeating: 0, count: x.count)
        try twin.load(from: path, parameters: &y)
        for step in 3...4 {
          try first.step(&x, gradients: gradients(step))
          try twin.step(&y, gradients: gradients(step))
        }
        #expect(Self.bits(try Self.values(twin, y)) == Self.bits(try Self.values(first, x)))
      }
      let mixed = try Self.optimizer(.cpu)
      #expect(throws: CheckpointError.self) { try mixed.save(to: path, naming: .pyTorch) }
    }
  }

  @Test("a rule that cannot go on with a group's states is refused, and changes nothing")
  func refused() throws {
    #expect(throws: DescentError.self) {
      try Optimizer(SGD(), layout: Self.layout(), rules: ["none": SGD()], on: .cpu)
    }
    #expect(throws: DescentError.self) {
      try Optimizer(SGD(), layout: Self.layout(), rules: ["odd": SGD(learningRate: -1)], on: .cpu)
    }
    let optimizer = try Self.optimizer(.cpu)
    for rule in [Adam(), Momentum(learningRate: .nan)] as [any UpdateRule] {
      #expect(throws: DescentError.self) { try optimizer.setGroupRule("odd", to: rule) }
    }
    #expect(throws: DescentError.self) { try optimizer.setGroupRule("none", to: SGD()) }
    // Its states are Momentum's, and AdamW's rule is no rule for these.
    #expect(throws: DescentError.self) { try optimizer.setGroupRule("odd", to: nil) }
    #expect(throws: DescentError.self) {
      try optimizer.setGroupSchedule("odd", to: .constant(-1))
    }
    #expect(try optimizer.groupRule("odd") as? Momentum == Self.odd)
    try optimizer.setGroupRule("odd", to: Momentum(learningRate: 0.5, nesterov: true))
    #expect(try optimizer.groupRule("odd").learningRate == 0.5)
  }

  @Test("a Nesterov group has a point to evaluate; the other groups' parameters are theirs")
  func evaluation() throws {
    let layout = try Self.layout()
    let optimizer = try Optimizer(
      SGD(learningRate: 0.1), layout: layout, rules: ["odd": Nesterov(learningRate: 0.1)], on: .cpu)
    #expect(optimizer.hasEvaluationPoint)
    var x = [Float](repeating: 1, count: layout.count)
    try optimizer.step(&x, gradients: [Float](repeating: 1, count: layout.count))
    var point = x
    try optimizer.writeIterate(from: x, into: &point)
    for tensor in layout.tensors {
      for i in tensor.range {
        // V is ηg, φ is W − γV, and W one step of ηg.
        #expect(tensor.group == "odd" ? abs(point[i] - 0.9) < 1e-6 : point[i] == x[i])
      }
    }
  }
}
