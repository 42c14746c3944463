import DescentTestSupport
import Testing
import Verification

@testable import Descent

/// Properties of the rules that sum over whole tensors.
@Suite struct TensorRuleTests {
  /// A matrix, a vector, a tensor of three sizes, a number and nothing.
  private static func layout() throws -> ParameterLayout {
    var layout = ParameterLayout()
    for (name, shape) in [
      ("matrix", [5, 7]), ("vector", [11]), ("cube", [2, 3, 4]), ("number", []), ("empty", [0, 3]),
    ] as [(String, [Int])] {
      try layout.append(name, shape: shape)
    }
    return layout
  }

  private static func values(_ count: Int, _ seed: UInt64, _ scale: Float = 1) -> [Float] {
    (0..<count).map { index in
      let random = PinnedSteps.mix(seed << 32 ^ UInt64(index)) >> 40
      return (Float(random) / Float(1 << 23) - 1) * scale
    }
  }

  private static func norm(_ values: some Sequence<Float>) -> Double {
    values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  }

  @Test("a step of LAMB has η times the length of its tensor, whatever the gradient's")
  func length() throws {
    let layout = try Self.layout()
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(LAMB(learningRate: 0.01), layout: layout, on: choice)
      var x = Self.values(layout.count, 1)
      for step in 1...3 {
        let before = x
        let g = Self.values(layout.count, UInt64(step + 1), step == 2 ? 1e-12 : 100)
        try optimizer.step(&x, gradients: g)
        for tensor in layout.tensors where tensor.count > 0 {
          let moved = zip(x[tensor.range], before[tensor.range]).map { $0 - $1 }
          let expected = 0.01 * Self.norm(before[tensor.range])
          #expect(abs(Self.norm(moved) / expected - 1) < 1e-4, "\(choice) \(tensor.name)")
        }
      }
    }
  }

  @Test("LAMB's own limit of the gradient's norm is the optimizer's clipping")
  func ownClipping() throws {
    let layout = try Self.layout()
    for choice in try TestEngines.choices() {
      let own = try Optimizer(
        LAMB(learningRate: 0.01, maximumGradientNorm: 0.5), layout: layout, on: choice)
      let other = try Optimizer(LAMB(learningRate: 0.01), layout: layout, on: choice)
      other.clipping = .globalNorm(0.5)
      var x = Self.values(layout.count, 1)
      var y = x
      for step in 1...5 {
        let g = Self.values(layout.count, UInt64(step + 1), step == 3 ? 0.01 : 3)
        try own.step(&x, gradients: g)
        try other.step(&y, gradients: g)
      }
      for (a, b) in zip(x, y) { #expect(abs(a - b) <= 1e-5 * max(abs(a), abs(b))) }
      for name in own.stateNames {
        for (a, b) in zip(try own.state(name), try other.state(name)) {
          #expect(abs(a - b) <= 1e-5 * max(abs(a), abs(b), 1e-3))
        }
      }
    }
  }

  @Test("a group without decay has a ratio of 1, unless it always adapts")
  func groups() throws {
    var layout = ParameterLayout()
    try layout.append("weight", shape: [4])
    try layout.append("bias", shape: [4], group: "no decay")
    try layout.setGroup("no decay", to: ParameterGroup(weightDecay: 0))
    for (rule, expected) in [
      (LAMB.timm(learningRate: 0.1, maximumGradientNorm: 0), 0.1),
      (LAMB(learningRate: 0.1, weightDecay: 0.01), 0.4),
    ] as [(LAMB, Float)] {
      let optimizer = try Optimizer(rule, layout: layout, on: .cpu)
      var x: [Float] = Array(repeating: 4, count: 8)
      try optimizer.step(&x, gradients: [Float](repeating: 1, count: 8))
      #expect(abs(x[0] - 3.6) < 1e-4)
      #expect(abs(x[4] - (4 - expected)) < 1e-4)
    }
  }

  @Test("a tensor whose ratio is more than a Float, or whose norm is, has a finite step")
  func extremes() throws {
    let layout = try ParameterLayout(count: 4)
    let rules: [any UpdateRule] = [
      LAMB(learningRate: 0.01, epsilon: 1), LARS(learningRate: 0.01, epsilon: 0),
      NovoGrad(epsilon: 1), Adafactor(), LARS(trustClip: true),
    ]
    for rule in rules {
      for choice in try TestEngines.choices() {
        for (scale, size) in [(Float(1e-44), Float(1e3)), (1e-30, 1e12), (1e18, 1e-20), (0, 1)] {
          let optimizer = try Optimizer(rule, layout: layout, on: choice)
          var x = [size, -size, size, 0]
          let g = [scale, -scale, scale, scale]
          for _ in 1...3 { try optimizer.step(&x, gradients: g) }
          #expect(x.allSatisfy { $0.isFinite }, "\(rule) \(choice) \(scale)")
        }
      }
    }
  }

  @Test("NovoGrad and Adafactor do not see the scale of a tensor's gradients")
  func scale() throws {
    let layout = try Self.layout()
    for rule in [NovoGrad(epsilon: 0), Adafactor(epsilon1: 0)] as [any UpdateRule] {
      var results: [[Float]] = []
      for scale in [Float(1), 0x1p-20, 0x1p20] {
        let optimizer = try Optimizer(rule, layout: layout, on: .cpu)
        var x = Self.values(layout.count, 1)
        for step in 1...4 {
          try optimizer.step(
            &x, gradients: Self.values(layout.count, UInt64(step + 1)).map { $0 * scale })
        }
        results.append(x)
      }
      #expect(results[0] == results[1] && results[0] == results[2], "\(rule)")
    }
  }

  @Test("Adafactor has a number for each row and column; a tensor of three sizes is a matrix")
  func shapes() throws {
    for choice in try TestEngines.choices() {
      let layout = try Self.layout()
      var flat = ParameterLayout()
      try flat.append("matrix", shape: [6, 4])
      let all = try Optimizer(Adafactor(), layout: layout, on: choice)
      let one = try Optimizer(Adafactor(), layout: flat, on: choice)
      let cube = try layout.tensor("cube")
      var x = Self.values(layout.count, 1)
      var y = Array(x[cube.range])
      for step in 1...3 {
        let g = Self.values(layout.count, UInt64(step + 1))
        try all.step(&x, gradients: g)
        try one.step(&y, gradients: Array(g[cube.range]))
        // As at the beginning, and then the same steps again.
        if step == 1 {
          let after = x
          x = Self.values(layout.count, 1)
          y = Array(x[cube.range])
          try all.reset()
          try one.reset()
          try all.step(&x, gradients: g)
          try one.step(&y, gradients: Array(g[cube.range]))
          #expect(x == after)
        }
      }
      #expect(Array(x[cube.range]) == y)
      for (name, rows, columns) in [
        ("matrix", 5, 7), ("vector", 1, 11), ("cube", 6, 4), ("number", 1, 1), ("empty", 0, 0),
      ] {
        #expect(try all.state("row", of: name).count == rows)
        #expect(try all.state("col", of: name).count == columns)
        let row = try all.state("row", of: name).reduce(0, +) / Float(max(1, rows))
        let column = try all.state("col", of: name).reduce(0, +) / Float(max(1, columns))
        let mean = try all.state("mean", of: name).first ?? 0
        #expect(abs(row - mean) <= 1e-6 * mean && abs(column - mean) <= 1e-6 * mean)
      }
    }
  }

  @Test("Prodigy's D never falls, and comes near the distance to the minimum")
  func distance() throws {
    for choice in try TestEngines.choices() {
      for initialScale in [1e-6, 1e-3] {
        let layout = try Self.layout()
        let optimizer = try Optimizer(
          Prodigy(initialScale: initialScale), layout: layout, on: choice)
        let minimum = Self.values(layout.count, 1)
        var x = [Float](repeating: 0, count: layout.count)
        var last: Float = 0
        for _ in 1...300 {
          try optimizer.step(&x, gradients: zip(x, minimum).map { $0 - $1 })
          let d = try #require(try optimizer.state("d").first)
          #expect(d >= last)
          last = d
        }
        // D estimates the greatest distance of an element, which is at most 1.
        #expect(last > 0.05 && last < 2, "\(last)")
        let left = zip(x, minimum).map { $0 - $1 }
        #expect(Self.norm(left) < 0.1 * Self.norm(minimum))
      }
    }
  }

  @Test("Prodigy stands still without gradients, decay included, and D is one of all groups")
  func still() throws {
    var layout = ParameterLayout()
    try layout.append("a", shape: [3])
    try layout.append("b", shape: [2], group: "other")
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        Prodigy(weightDecay: 0.1, decoupled: true), layout: layout, on: choice)
      var x: [Float] = [1, 2, 3, 4, 5]
      try optimizer.step(&x, gradients: [0, 0, 0, 0, 0])
      #expect(x == [1, 2, 3, 4, 5])
      for _ in 1...5 { try optimizer.step(&x, gradients: [1, 1, 1, 1, 1]) }
      #expect(try optimizer.state("d", of: "a") == optimizer.state("d", of: "b"))
      #expect(try optimizer.state("d", of: "a")[0] > 1e-6)
      #expect(try optimizer.state("x0") == [1, 2, 3, 4, 5])
    }
  }
}
