import DescentTestSupport
import Testing

@testable import Descent

/// Rates, decays and counts that go to PyTorch and come back.
@Suite struct CheckpointPyTorchRatesTests: GroupMoves {
  /// A group with its rate over the base rate of the run.
  private static let slow = ("slow", 0.1)
  private static let fast = ("default", 1.0)
  private static let orders = [[slow, fast], [fast, slow]]

  /// A file as Examples/pytorch writes it, of SGD.
  private func write(
    _ path: String, _ groups: [(name: String, text: String)], base: String? = nil
  ) throws {
    let texts = groups.map {
      #"{"params":["\#($0.name).x"],"name":"\#($0.name)",\#($0.text)}"#
    }
    let steps = groups.map { #""\#($0.name).x":4"# }.joined(separator: ",")
    let base = base.map { #""base":\#($0),"# } ?? ""
    try saveTensors(
      path, groups.map { ("\($0.name).x", [1], [0]) },
      metadata: [
        "pytorch.version": "1",
        "pytorch.optimizer":
          #"{\#(base)"class":"SGD","groups":[\#(texts.joined(separator: ","))],"steps":{\#(steps)}}"#,
      ])
  }

  @Test("factors stay, whichever group is first, at any rate of the schedule or by hand")
  func roundTrip() throws {
    let expected: [String: Float] = ["slow": -0.1, "default": -1]
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      for order in Self.orders {
        for choice in try TestEngines.choices() {
          for rate in [0, 1e-3, 1] {
            for byHand in [false, true] {
              let optimizer = try Optimizer(
                SGD(learningRate: 1), layout: layout(order), on: choice)
              if byHand {
                optimizer.setLearningRate(rate)
              } else {
                optimizer.schedule = .constant(rate)
              }
              _ = try move(optimizer)
              try optimizer.save(to: path, parameters: [0, 0], naming: .pyTorch)

              // Into itself, into another that has the groups, and into one made of the file.
              let twin = try Optimizer(SGD(), layout: layout(order.reversed()), on: choice)
              twin.schedule = .constant(1)
              for other in [optimizer, twin, try Optimizer(Checkpoint(path), on: choice)] {
                try other.load(from: path)
                if other.schedule == nil {
                  #expect(try other.learningRate == rate && other.baseLearningRate == 1)
                }
                other.schedule = .constant(1)
                #expect(try move(other) == expected, "\(order) \(choice) \(rate)")
                other.setLearningRate(2)
                #expect(try move(other) == ["slow": -0.2, "default": -2])
                #expect(other.baseLearningRate == 1)
              }
            }
          }
        }
      }
    }
  }

  @Test("rates for PyTorch are the coming step's and the run's")
  func written() throws {
    for order in Self.orders {
      let optimizer = try Optimizer(
        SGD(learningRate: 2, weightDecay: 0.5), layout: layout(order), on: .cpu)
      try optimizer.setGroup("slow", to: ParameterGroup(learningRateFactor: 0.25, weightDecay: 0))
      func groups() throws -> [String: [Double]] {
        let file = try PyTorchOptimizer(optimizer.status)
        #expect(file.base?.lr == 2 && file.base?.weightDecay == 0.5)
        return Dictionary(
          uniqueKeysWithValues: try file.groups.map {
            ($0.name ?? "", [$0.lr, try #require($0.initialRate), try #require($0.weightDecay)])
          })
      }
      #expect(try groups() == ["slow": [0.5, 0.5, 0], "default": [2, 2, 0.5]])
      optimizer.schedule = .linear(from: 1, to: 0, steps: 2)
      _ = try move(optimizer)
      #expect(try groups() == ["slow": [0.125, 0.5, 0], "default": [0.5, 2, 0.5]])
      _ = try move(optimizer)
      #expect(try groups() == ["slow": [0, 0.5, 0], "default": [0, 2, 0.5]])
      optimizer.setLearningRate(8)
      #expect(try groups() == ["slow": [2, 0.5, 0], "default": [8, 2, 0.5]])
      optimizer.setLearningRate(0)
      #expect(try groups() == ["slow": [0, 0.5, 0], "default": [0, 2, 0.5]])
      // The rule's own rate is the base.
      optimizer.rule = SGD(learningRate: 4, weightDecay: 0.5)
      #expect(optimizer.baseLearningRate == 4)
    }
    // A base that is not the rule's rate is saved under this package's own names, too.
    let optimizer = try Optimizer(SGD(learningRate: 2), layout: layout(Self.orders[0]), on: .cpu)
    optimizer.setLearningRate(0)
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      try optimizer.save(to: path, parameters: [0, 0])
      #expect(try Checkpoint(path).status == optimizer.status)
      #expect(try Optimizer(Checkpoint(path), on: .cpu).baseLearningRate == 2)
      try Checkpoint(path).write(to: path, naming: .pyTorch)
      let back = try Optimizer(Checkpoint(path), on: .cpu)
      #expect(try back.learningRate == 0 && back.baseLearningRate == 2)
      #expect(try back.group("slow") == ParameterGroup(learningRateFactor: 0.1))
    }
  }

  /// Rates of both groups in a file, and what an optimizer makes of them whose groups have no
  /// factors.
  private struct Given {
    /// `lr` and `initial_lr`.
    var slow: (Double, Double?)
    var fast: (Double, Double?)
    var base: Double?
    /// The rate of the optimizer's rule.
    var own = 1.0
    var rate: Double
    var expectedBase: Double
    /// Slow, fast.
    var factors: [Double]

    func text(_ group: String) -> String {
      let (rate, initial) = group == "slow" ? slow : fast
      return #""lr":\#(rate)"# + (initial.map { #","initial_lr":\#($0)"# } ?? "")
    }
  }

  private static let given = [
    // Without a scheduler, then with one that has come to 0, and to the half.
    Given(slow: (0.1, nil), fast: (1, nil), rate: 1, expectedBase: 1, factors: [0.1, 1]),
    Given(slow: (0, 0.1), fast: (0, 1), rate: 0, expectedBase: 1, factors: [0.1, 1]),
    Given(slow: (0.05, 0.1), fast: (0.5, 1), rate: 0.5, expectedBase: 1, factors: [0.1, 1]),
    // The rule's own rate is no group's: the file's base counts, then the highest rate.
    Given(
      slow: (0.1, nil), fast: (1, nil), base: 0.1, own: 5, rate: 0.1, expectedBase: 0.1,
      factors: [1, 10]),
    Given(slow: (0.1, nil), fast: (1, nil), own: 5, rate: 1, expectedBase: 1, factors: [0.1, 1]),
    // The rule's own rate is the lower group's.
    Given(
      slow: (0.1, nil), fast: (1, nil), own: 0.1, rate: 0.1, expectedBase: 0.1, factors: [1, 10]),
    // A group whose rate is 0 for good.
    Given(slow: (0, 0), fast: (0.5, 1), rate: 0.5, expectedBase: 1, factors: [0, 1]),
    // Nothing is known: what was there stays.
    Given(slow: (0, nil), fast: (0, nil), own: 3, rate: 0, expectedBase: 3, factors: [1, 1]),
    // No longer in proportion, as with eta_min: the present rates.
    Given(
      slow: (0.3, 0.1), fast: (0.5, 1), base: 1, rate: 1, expectedBase: 1, factors: [0.3, 0.5]),
  ]

  @Test("PyTorch's groups in either order, with a scheduler and without, at any rate")
  func read() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      for item in Self.given {
        for order in Self.orders {
          try write(
            path, order.map { ($0.0, item.text($0.0)) }, base: item.base.map { #"{"lr":\#($0)}"# })
          let optimizer = try Optimizer(
            SGD(learningRate: item.own),
            layout: layout(order.reversed().map { ($0.0, 1) }), on: .cpu)
          try optimizer.load(from: path)
          #expect(try optimizer.learningRate == item.rate && optimizer.stepCount == 4)
          #expect(optimizer.baseLearningRate == item.expectedBase)
          let factors = try ["slow", "default"].map { try optimizer.group($0).learningRateFactor }
          #expect(factors == item.factors, "\(item)")
          // Back to PyTorch.
          try optimizer.save(to: path, parameters: [0, 0], naming: .pyTorch)
          for group in try #require(Checkpoint(path).pyTorch).groups {
            let (rate, initial) = group.name == "slow" ? item.slow : item.fast
            #expect(group.lr == rate, "\(item)")
            if let initial { #expect(group.initialRate == initial, "\(item)") }
          }
        }
      }
    }
  }

  @Test("the optimizer's own factors stay where PyTorch's rates are in their proportion")
  func proportion() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      for order in Self.orders {
        // Rounded, as products of a scheduler are.
        try write(
          path,
          order.map { ($0.0, #""lr":\#($0.0 == "slow" ? 0.030000000000000006 : 0.3)"#) },
          base: #"{"lr":7}"#)
        let optimizer = try Optimizer(SGD(), layout: layout(order), on: .cpu)
        optimizer.schedule = .constant(1)
        try optimizer.load(from: path)
        #expect(optimizer.schedule == .constant(1) && optimizer.baseLearningRate == 0.3)
        #expect(try move(optimizer) == ["slow": -0.1, "default": -1])
        // With a schedule the rates of the run count, not the present ones.
        try write(
          path,
          order.map {
            ($0.0, $0.0 == "slow" ? #""lr":0.9,"initial_lr":0.1"# : #""lr":0.7,"initial_lr":1"#)
          })
        try optimizer.load(from: path)
        #expect(try move(optimizer) == ["slow": -0.1, "default": -1])
      }
    }
  }

  @Test("what OneCycleLR keeps in a group goes back as it came, in proportion to the base")
  func oneCycle() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let rest = #""max_momentum":0.95,"base_momentum":0.85"#
      try write(
        path,
        [
          ("slow", #""lr":0.02,"initial_lr":0.004,"max_lr":0.1,"min_lr":4e-8,"# + rest),
          ("default", #""lr":0.2,"initial_lr":0.04,"max_lr":1,"min_lr":4e-7,"# + rest),
        ])
      let optimizer = try Optimizer(Checkpoint(path), on: .cpu)
      #expect(try abs(optimizer.learningRate - 0.2) < 1e-15 && optimizer.baseLearningRate == 0.04)
      func expect(_ scale: Double) throws {
        let file = try #require(Checkpoint(path).pyTorch)
        #expect(file.groups.map(\.initialRate) == [0.004 * scale, 0.04 * scale])
        #expect(file.groups.map(\.maximumRate) == [0.1 * scale, scale])
        #expect(file.groups.map(\.minimumRate) == [4e-8 * scale, 4e-7 * scale])
        #expect(file.groups.allSatisfy { $0.maximumMomentum == 0.95 && $0.baseMomentum == 0.85 })
      }
      // No group differs by it.
      let slow = try optimizer.group("slow")
      #expect(slow == ParameterGroup(learningRateFactor: slow.learningRateFactor))
      #expect(Set([slow, ParameterGroup(learningRateFactor: slow.learningRateFactor)]).count == 1)
      try optimizer.save(to: path, parameters: [0, 0], naming: .pyTorch)
      try expect(1)
      // Under this package's names, too.
      try Checkpoint(path).write(to: path, naming: .descent)
      try Checkpoint(path).write(to: path, naming: .pyTorch)
      try expect(1)
      optimizer.rule = SGD(learningRate: 0.08)
      try optimizer.save(to: path, parameters: [0, 0], naming: .pyTorch)
      try expect(2)
      // Another factor is another run's.
      try optimizer.setGroup("slow", to: ParameterGroup(learningRateFactor: 0.5))
      #expect(try PyTorchOptimizer(optimizer.status).groups[0].maximumRate == nil)
      var group = try optimizer.group("default")
      #expect(group.pyTorch != nil)
      group.learningRateFactor = 2
      #expect(group.pyTorch == nil)
    }
  }

  @Test("a rate that has run down to where a step moves by nothing is read as 0")
  func runDown() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      for order in Self.orders {
        for choice in try TestEngines.choices() {
          let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout(order), on: choice)
          optimizer.schedule = .exponential(1, factor: 1e-15)
          for _ in 0..<4 { _ = try move(optimizer) }
          try optimizer.save(to: path, parameters: [0, 0], naming: .pyTorch)
          let given = try PyTorchOptimizer(optimizer.status).groups.map(\.lr)
          #expect(given.allSatisfy { $0 > 0 && $0 < 0x1p-150 })
          let twin = try Optimizer(SGD(), layout: layout(order), on: choice)
          for other in [try Optimizer(Checkpoint(path), on: choice), twin, optimizer] {
            try other.load(from: path)
            #expect(try other.stepCount == 4 && other.baseLearningRate == 1)
            if other.schedule == nil { #expect(try other.learningRate == 0) }
            #expect(try move(other) == ["slow": 0, "default": 0])
            #expect(try other.group("slow").learningRateFactor == 0.1)
          }
        }
      }
      // Where one group moves still.
      try write(
        path,
        [("slow", #""lr":1e-46,"initial_lr":1e-30"#), ("default", #""lr":1e-16,"initial_lr":1"#)])
      let optimizer = try Optimizer(Checkpoint(path), on: .cpu)
      #expect(try move(optimizer) == ["slow": 0, "default": -1e-16])
    }
  }

  @Test("a rate that cannot be, set by hand and mended, is not the run's")
  func mended() throws {
    for rate in [-1, -.infinity, .nan] as [Double] {
      let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout(Self.orders[0]), on: .cpu)
      optimizer.setLearningRate(rate)
      #expect(optimizer.baseLearningRate == 1)
      optimizer.rule = SGD(learningRate: rate)
      optimizer.setLearningRate(0.1)
      #expect(optimizer.baseLearningRate == 0.1)
      _ = try move(optimizer)
      _ = try optimizer.status
    }
  }

  @Test("decays: the rule's is what groups without one of their own have in common")
  func decays() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      func text(_ order: [(String, Double)], _ slow: Double, _ fast: Double) -> [(String, String)] {
        order.map { ($0.0, #""lr":1,"weight_decay":\#($0.0 == "slow" ? slow : fast)"#) }
      }
      for order in Self.orders {
        func loaded(_ own: ParameterGroup, rule: Double) throws -> Optimizer {
          let optimizer = try Optimizer(
            SGD(learningRate: 1, weightDecay: rule), layout: layout(order.map { ($0.0, 1) }),
            on: .cpu)
          try optimizer.setGroup("slow", to: own)
          try optimizer.load(from: path)
          return optimizer
        }
        try write(path, text(order, 0, 0.5))
        var optimizer = try loaded(ParameterGroup(weightDecay: 0.25), rule: 0.125)
        #expect(optimizer.rule.weightDecay == 0.5)
        #expect(try optimizer.group("default") == ParameterGroup())
        #expect(try optimizer.group("slow") == ParameterGroup(weightDecay: 0))
        // Both follow the rule, and cannot both: its own decay, else the file's, else the highest.
        optimizer = try loaded(ParameterGroup(), rule: 0)
        #expect(optimizer.rule.weightDecay == 0)
        #expect(try optimizer.group("default") == ParameterGroup(weightDecay: 0.5))
        #expect(try optimizer.group("slow") == ParameterGroup())
        optimizer = try loaded(ParameterGroup(), rule: 3)
        #expect(optimizer.rule.weightDecay == 0.5)
        #expect(try optimizer.group("slow") == ParameterGroup(weightDecay: 0))
        try write(path, text(order, 0, 0.5), base: #"{"lr":1,"weight_decay":0.75}"#)
        optimizer = try loaded(ParameterGroup(), rule: 3)
        #expect(optimizer.rule.weightDecay == 0.75)
        #expect(try optimizer.group("default") == ParameterGroup(weightDecay: 0.5))
        #expect(try optimizer.group("slow") == ParameterGroup(weightDecay: 0))
      }
    }
  }

  @Test("rates that cannot be are refused by their names, before anything is touched")
  func hostile() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      for (text, message) in [
        (#""lr":1,"initial_lr":-1"#, "initial_lr is -1.0; allowed is finite and at least 0"),
        (#""lr":1,"max_lr":-2"#, "max_lr is -2.0"), (#""lr":1,"min_lr":-2"#, "min_lr is -2.0"),
        (#""lr":1,"base_momentum":-2"#, "base_momentum is -2.0"),
      ] {
        try write(path, [("default", #""lr":1"#), ("slow", text)])
        #expect(throws: CheckpointError.self) { try Checkpoint(path) }
        #expect { try Checkpoint(path) } throws: { "\($0)".contains(message) }
      }
      try write(path, [("default", #""lr":1"#)], base: #"{"lr":-3}"#)
      #expect { try Checkpoint(path) } throws: { "\($0)".contains("lr is -3.0") }
      try write(path, [("slow", #""lr":1"#), ("default", #""lr":2"#)], base: #"{"lr":1e-320}"#)
      #expect { try Checkpoint(path) } throws: { "\($0)".contains("learningRateFactor is inf") }
    }
  }
}
