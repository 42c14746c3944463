import DescentTestSupport
import Testing

@testable import Descent

/// What a state for PyTorch means: class, counts, scaler.
@Suite struct CheckpointPyTorchMeaningTests: GroupMoves {
  @Test("a bad entry of PyTorch's scaler is named")
  func scaler() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      for (scale, message) in [("0", "scale is 0"), ("-1", "scale is -1"), (#""x""#, "scale")] {
        try saveTensors(
          path, [("a", [1], [1])],
          metadata: [
            "pytorch.version": "1",
            "pytorch.optimizer":
              #"{"class":"SGD","groups":[{"params":["a"],"lr":1}],"steps":{}}"#,
            "pytorch.grad_scaler":
              #"{"scale":\#(scale),"growth_factor":2,"backoff_factor":0.5,"growth_interval":5,"#
              + #""_growth_tracker":0}"#,
          ])
        #expect {
          try Checkpoint(path)
        } throws: {
          "\($0)".contains("metadata \"pytorch.grad_scaler\"") && "\($0)".contains(message)
        }
      }
    }
  }

  @Test("what means the same fits, whatever its type, and goes back as the class that came")
  func decoupled() throws {
    let layout = try self.layout([("slow", 0.1), ("default", 1)])
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let rules: [(any UpdateRule, String, Bool?)] = [
        (Adam(learningRate: 0.5, weightDecay: 0.25, decoupled: true), "Adam", true),
        (Adam(learningRate: 0.5, weightDecay: 0.25), "Adam", false),
        (AdamW(learningRate: 0.5, weightDecay: 0.25), "AdamW", nil),
      ]
      for choice in try TestEngines.choices() {
        for (rule, name, isDecoupled) in rules {
          for naming in StateNaming.allCases {
            let optimizer = try Optimizer(rule, layout: layout, on: choice)
            _ = try move(optimizer)
            try optimizer.save(to: path, parameters: [0, 0], naming: naming)
            let file = try PyTorchOptimizer(optimizer.status)
            #expect(file.className == name)
            #expect(file.groups.allSatisfy { $0.decoupledWeightDecay == isDecoupled })
            let state = try optimizer.state
            try optimizer.load(from: path)
            #expect(try optimizer.states() == state.values && optimizer.stepCount == 1)
            #expect(AnyHashable(optimizer.rule) == AnyHashable(rule))
            let expected = try move(optimizer)
            for other in rules.map({ $0.0 }) {
              let twin = try Optimizer(other, layout: layout, on: choice)
              if other is AdamW && rule.appliedDecay != .decoupled(rule.weightDecay) {
                #expect(throws: CheckpointError.self) { try twin.load(from: path) }
                continue
              }
              try twin.load(from: path)
              #expect(type(of: twin.rule) == type(of: other))
              #expect(twin.rule.appliedDecay == rule.appliedDecay && twin.rule.weightDecay == 0.25)
              #expect(try move(twin) == expected)
              // In part, where the rule stays.
              let part = try Optimizer(other, layout: layout, on: choice)
              try part.load(from: Checkpoint(path)) { $0.group == "slow" }
              #expect(try part.state("m", of: "slow.x") == state.values["m"].map { [$0[0]] })
            }
          }
        }
      }
    }
  }

  @Test("a tensor that counted steps have left out is refused where PyTorch counts for itself")
  func leftOut() throws {
    let layout = try self.layout([("slow", 0.1), ("default", 1)])
    func refuses(_ optimizer: Optimizer) throws -> Bool {
      do {
        _ = try PyTorchOptimizer(optimizer.status)
        return false
      } catch CheckpointError.interchange(let text) {
        #expect(
          text.hasPrefix("tensor \"slow.x\" was left out of steps that its group has counted"))
        return true
      }
    }
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      for choice in try TestEngines.choices() {
        for (rule, depends) in [
          (Adam(), true), (SGD(), false), (Momentum(), false),
          (Momentum.pyTorch(dampening: 0.5), true), (AdaGrad(), true),
        ] as [(any UpdateRule, Bool)] {
          let optimizer = try Optimizer(rule, layout: layout, on: choice)
          optimizer.leftOut = ["slow.x"]
          #expect(try !refuses(optimizer))
          _ = try move(optimizer)
          #expect(try refuses(optimizer) == depends)
          optimizer.leftOut = []
          _ = try move(optimizer)
          #expect(try refuses(optimizer) == depends)
          // It is known of a state, in memory and in a file.
          try optimizer.save(to: path)
          #expect(try Checkpoint(path).status == optimizer.status)
          #expect(try refuses(Optimizer(optimizer.state, on: choice)) == depends)
          #expect(try refuses(Optimizer(Checkpoint(path), on: choice)) == depends)
          if depends {
            #expect(throws: CheckpointError.self) {
              try Checkpoint(path).write(to: folder + "/other.safetensors", naming: .pyTorch)
            }
          }
          // A count from the beginning is everyone's.
          optimizer.leftOut = ["slow.x"]
          try optimizer.reset()
          #expect(try !refuses(optimizer))
          _ = try move(optimizer)
          #expect(try refuses(optimizer) == depends)
          // Frozen, a group counts no steps.
          optimizer.leftOut = []
          try optimizer.reset()
          try optimizer.setGroup("slow", to: ParameterGroup(isFrozen: true))
          optimizer.leftOut = ["slow.x"]
          _ = try move(optimizer)
          try optimizer.setGroup("slow", to: ParameterGroup())
          optimizer.leftOut = []
          #expect(try !refuses(optimizer))
        }
      }
    }
  }

  @Test("NAdam's product goes along for each parameter, and comes back as its group's history")
  func muProduct() throws {
    let layout = try self.layout([("slow", 0.1), ("default", 1)])
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      for choice in try TestEngines.choices() {
        let rule = NAdam(learningRate: 0.5, momentumDecay: 0.5)
        let optimizer = try Optimizer(rule, layout: layout, on: choice)
        #expect(try PyTorchOptimizer(optimizer.status).muProducts == [:])
        try optimizer.setGroup("slow", to: ParameterGroup(isFrozen: true))
        _ = try move(optimizer)
        try optimizer.setGroup("slow", to: ParameterGroup(learningRateFactor: 0.1))
        // A group that has taken no step has no product in the file of one that has.
        try optimizer.save(to: path, parameters: [0, 0], naming: .pyTorch)
        #expect(try Optimizer(Checkpoint(path), on: choice).stepCount(ofGroup: "slow") == 0)
        for _ in 1...2 { _ = try move(optimizer) }
        let (two, three) = (
          rule.momentum(at: 1) * rule.momentum(at: 2),
          rule.momentum(at: 1) * rule.momentum(at: 2) * rule.momentum(at: 3)
        )
        #expect(
          try PyTorchOptimizer(optimizer.status).muProducts == ["slow.x": two, "default.x": three])
        try optimizer.save(to: path, parameters: [0, 0], naming: .pyTorch)
        let twin = try Optimizer(NAdam(learningRate: 1), layout: layout, on: choice)
        try twin.load(from: path)
        #expect(
          try twin.status.histories
            == ["slow": ["muProduct": two], "default": ["muProduct": three]])
        #expect(try move(twin) == move(optimizer))
        // Other classes have none.
        #expect(
          try PyTorchOptimizer(Optimizer(RAdam.pyTorch(), layout: layout).status).muProducts == nil)
      }
    }
  }

  @Test("a step that was skipped, or threw, has left no tensor out")
  func skipped() throws {
    let layout = try self.layout([("slow", 0.1), ("default", 1)])
    for choice in try TestEngines.choices() {
      for skips in [true, false] {
        let optimizer = try Optimizer(Adam(), layout: layout, on: choice)
        optimizer.skipsNonFinite = skips
        optimizer.leftOut = ["slow.x"]
        #expect(throws: DescentError.self) {
          var x = [Float](repeating: 0, count: layout.count)
          try optimizer.step(&x, gradients: x, gradientScale: .nan)
        }
        #expect(try optimizer.status.missedSteps == [])
        if skips {
          var x = [Float](repeating: 0, count: layout.count)
          try optimizer.step(&x, gradients: x.map { _ in Float.nan })
          #expect(try optimizer.skippedStepCount == 1)
          #expect(try optimizer.status.missedSteps == [])
          // Nor is it counted with a later step.
          optimizer.leftOut = []
          _ = try move(optimizer)
          #expect(try optimizer.status.missedSteps == [])
          optimizer.leftOut = ["slow.x"]
        }
        _ = try move(optimizer)
        #expect(try optimizer.status.missedSteps == ["slow.x"])
        // After a reset too, without a change of what is left out.
        try optimizer.reset()
        #expect(try optimizer.status.missedSteps == [])
        _ = try move(optimizer)
        #expect(try optimizer.status.missedSteps == ["slow.x"])
      }
    }
  }

  @Test("tensors that are loaded bring along whether counted steps have left them out")
  func partly() throws {
    var layout = ParameterLayout()
    for name in ["a", "b"] { try layout.append(name, shape: [1], group: name) }
    try withTemporaryFolder { folder in
      for choice in try TestEngines.choices() {
        func saved(leavingOut names: Set<String>) throws -> (Optimizer, Checkpoint) {
          let optimizer = try Optimizer(Adam(), layout: layout, on: choice)
          optimizer.leftOut = names
          _ = try move(optimizer)
          let path = folder + "/\(names.sorted()).safetensors"
          try optimizer.save(to: path)
          return (optimizer, try Checkpoint(path))
        }
        let (a, aFile) = try saved(leavingOut: ["a"])
        let (b, bFile) = try saved(leavingOut: ["b"])
        try a.load(from: bFile, tensors: ["b"])
        #expect(try a.status.missedSteps == ["a", "b"])
        try a.load(from: bFile, tensors: ["a"])
        #expect(try a.status.missedSteps == ["b"])
        try b.load(from: aFile, tensors: ["b"])
        #expect(try b.status.missedSteps == [])
        // It still leaves b out.
        _ = try move(b)
        #expect(try b.status.missedSteps == ["b"])
      }
    }
  }

  @Test("a dampening of 1 runs, as PyTorch's does: the first gradient goes on alone")
  func dampened() throws {
    // torch.optim.SGD(lr=1, momentum=0.5, dampening=1), gradients of 1: b is 1, 0.5, 0.25.
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        Momentum.pyTorch(learningRate: 1, momentum: 0.5, dampening: 1),
        layout: ParameterLayout(count: 1), on: choice)
      var x: [Float] = [0]
      for expected: Float in [-1, -1.5, -1.75] {
        try optimizer.step(&x, gradients: [1])
        #expect(x == [expected])
      }
      let file = try PyTorchOptimizer(optimizer.status)
      #expect(file.className == "SGD" && file.groups[0].dampening == 1)
    }
    #expect(throws: DescentError.self) { try Momentum(dampening: 1.5).validate() }
    #expect {
      try Momentum(dampening: -0.5).validate()
    } throws: {
      "\($0)".contains("dampening is -0.5; allowed is a number from 0 to 1")
    }
  }
}
