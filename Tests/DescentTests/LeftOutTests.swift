import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// Steps that leave tensors out: against models that never had them, on every engine.
@Suite struct LeftOutTests {
  private static func layout(gaps: Bool = false) throws -> ParameterLayout {
    try ParameterLayout(sizes: [33, 700, 0, 17_000, 1], alignment: gaps ? 64 : 4) {
      $0 == 3 ? "odd" : "default"
    }
  }

  static let settings =
    ControlTests.Setting.all.filter { !"\($0)".contains("kinds") } + [
      ControlTests.Setting(testDescription: "none") { _ in }
    ]

  /// By step: what is left out.
  private static let sets: [Set<String>] = [
    [], ["t1"], ["t1", "t2"], ["t1", "t3"], ["t0", "t1", "t2", "t3", "t4"], [], ["t4"],
  ]

  /// Whatever the tensors left out have for a gradient, it is NaN.
  private static func gradients(_ layout: ParameterLayout, _ step: Int) -> [Float] {
    var result = PinnedSteps(count: layout.count).gradients(step + 1)
    for tensor in layout.tensors where sets[step].contains(tensor.name) {
      for index in tensor.range { result[index] = .nan }
    }
    return result
  }

  @Test("all engines leave out the same, with gradients zeroed and without", arguments: settings)
  func agreement(_ setting: ControlTests.Setting) throws {
    for layout in [try Self.layout(), try Self.layout(gaps: true)] {
      func run(_ choice: EngineChoice, zeroing: Bool) throws -> RunOutcome {
        let optimizer = try Optimizer(AdamW(weightDecay: 0.1), layout: layout, on: choice)
        try setting.apply(optimizer)
        var x = PinnedSteps(count: layout.count).parameters
        for step in Self.sets.indices {
          optimizer.leftOut = Self.sets[step]
          var g = Self.gradients(layout, step)
          let before = (x, try optimizer.states())
          if zeroing {
            try optimizer.step(&x, zeroing: &g)
            #expect(layout.tensors.allSatisfy { g[$0.range].allSatisfy { $0 == 0 } })
          } else {
            try optimizer.step(&x, gradients: g)
          }
          let after = try optimizer.states()
          for tensor in layout.tensors {
            let stayed = x[tensor.range] == before.0[tensor.range]
            #expect(stayed == (Self.sets[step].contains(tensor.name) || tensor.count == 0))
            for (name, values) in before.1 where Self.sets[step].contains(tensor.name) {
              #expect(after[name]?[tensor.range] == values[tensor.range])
            }
          }
        }
        return try RunOutcome(optimizer, x)
      }
      let expected = try run(.reference, zeroing: false)
      #expect(expected.steps == Self.sets.count && expected.skipped == 0)
      for choice in try TestEngines.cut() + [.reference] {
        for zeroing in [false, true] {
          let found = try run(choice, zeroing: zeroing)
          #expect(found == expected, "\(choice), zeroing: \(zeroing)")
        }
      }
    }
  }

  @Test("the norm and the clip are those of a model without the tensors")
  func without() throws {
    var small = ParameterLayout()
    for (index, size) in [33, 0, 1].enumerated() {
      try small.append("t\(index)", shape: [size])
    }
    let layout = try Self.layout()
    let g = Self.gradients(layout, 3)
    for choice in try TestEngines.cut() + [.reference] {
      let (whole, part) = (
        try Optimizer(Adam(), layout: layout, on: choice),
        try Optimizer(Adam(), layout: small, on: choice)
      )
      for optimizer in [whole, part] { optimizer.clipping = .globalNorm(1e-3) }
      whole.leftOut = ["t1", "t3"]
      var x = PinnedSteps(count: layout.count).parameters
      var y = Array(x[..<33]) + [x[layout.count - 1]]
      try whole.step(&x, gradients: g)
      try part.step(&y, gradients: Array(g[..<33]) + [g[layout.count - 1]])
      #expect(try whole.lastNorm == part.lastNorm && whole.lastNorm != nil)
      #expect(Array(x[..<33]) + [x[layout.count - 1]] == y)
    }
  }

  @Test("a tensor's bias correction follows its group's count, or a count of its own group")
  func counts() throws {
    var layout = ParameterLayout()
    try layout.append("a", shape: [1])
    try layout.append("b", shape: [1])
    try layout.append("own", shape: [1], group: "own")
    for choice in try TestEngines.cut() + [.reference] {
      let optimizer = try Optimizer(Adam(learningRate: 0.1), layout: layout, on: choice)
      optimizer.leftOut = ["b", "own"]
      try optimizer.setGroup("own", to: ParameterGroup(isFrozen: true))
      var x: [Float] = [0, 0, 0]
      for _ in 0..<3 { try optimizer.step(&x, gradients: [1, .nan, .nan]) }
      #expect(x[1] == 0 && x[2] == 0)
      optimizer.leftOut = []
      try optimizer.setGroup("own", to: ParameterGroup())
      try optimizer.step(&x, gradients: [1, 1, 1])
      #expect(abs(x[2] + 0.1) < 1e-6)
      // m̂ = 0.1/(1 − 0.9⁴), v̂ = 0.001/(1 − 0.999⁴).
      let mean = 0.1 / oneMinusPower(0.9, 4)
      let square = 0.001 / oneMinusPower(0.999, 4)
      #expect(abs(Double(x[1]) + 0.1 * mean / square.squareRoot()) < 1e-6)
      #expect(try optimizer.stepCount(ofGroup: "default") == 4)
      #expect(try optimizer.stepCount(ofGroup: "own") == 1)
    }
  }

  @Test("an unknown name, and a γ that changes, are refused before anything is touched")
  func errors() throws {
    let layout = try Self.layout()
    let optimizer = try Optimizer(Nesterov(momentum: 0.5, nextMomentum: 0.75), layout: layout)
    var x = [Float](repeating: 1, count: layout.count)
    let g = x
    optimizer.leftOut = ["t1", "t9"]
    #expect(
      message { try optimizer.step(&x, gradients: g) }
        == "there is no tensor \"t9\"; there is t0, t1, t2, t3, t4")
    optimizer.leftOut = ["t1"]
    #expect(message { try optimizer.step(&x, gradients: g) }.contains("leaves tensors out"))
    #expect(try x == g && optimizer.stepCount == 0)
    optimizer.leftOut = []
    try optimizer.step(&x, gradients: g)
    #expect(try optimizer.stepCount == 1)
  }

  #if OpenCL
  @Test("what is left out changes from step to step under a queue kept deep", .needsDevice)
  func deep() throws {
    let layout = try Self.layout()
    for queue in try TestDevices.queues.get() {
      for looks in [false, true] {
        let reference = try Optimizer(Adam(), layout: layout, on: .reference)
        let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
        var expected = [Float](repeating: 1, count: layout.count)
        let x = try Buffer(queue.context, copying: expected)
        let gradients = try Self.sets.indices.map {
          try Buffer(queue.context, copying: Self.gradients(layout, $0))
        }
        for both in [reference, optimizer] { both.skipsNonFinite = looks }
        for step in 0..<40 {
          let which = step % Self.sets.count
          for both in [reference, optimizer] { both.leftOut = Self.sets[which] }
          try reference.step(&expected, gradients: Self.gradients(layout, which))
          try optimizer.enqueueStep(x, gradients: gradients[which])
        }
        // NaN is one number in a digest: gradients of 40 binades overflow m in the end.
        #expect(try Digest(x.read(on: queue)) == Digest(expected), "looks: \(looks)")
        for name in optimizer.stateNames {
          #expect(try Digest(optimizer.state(name)) == Digest(reference.state(name)))
        }
        #expect(try optimizer.stepCount == 40)
      }
    }
  }
  #endif
}
