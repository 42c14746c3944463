import DescentKernels
import DescentTestSupport
import Foundation
import Testing

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// The loss scale at its bounds, the norm without it, and one scale for several optimizers.
@Suite struct LossScaleTests {
  private static func engines() throws -> [EngineChoice] {
    try TestEngines.cut() + [.reference]
  }

  @Test("a scale that grows stops at its greatest, and can be saved there")
  func ceiling() throws {
    for choice in try Self.engines() {
      for (start, bound, end) in [(0x1p124, nil, 0x1p126), (3000, 5000, 5000)] as [(_, Double?, _)]
      {
        let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 2), on: choice)
        try optimizer.setLossScale(
          LossScale(scale: start, growthInterval: 1, maximumScale: bound))
        var x: [Float] = [1, 1]
        for _ in 1...5 {
          try optimizer.step(&x, gradients: [1, 2])
          _ = try optimizer.state
        }
        #expect(try optimizer.lossScale?.scale == end && optimizer.stepCount == 5)
        let other = try Optimizer(optimizer.state, on: .cpu)
        #expect(try other.lossScale == optimizer.lossScale)
      }
    }
  }

  @Test("after hundreds of gradients that are not finite, a good one is taken")
  func floor() throws {
    let scales = [
      (LossScale(), 1), (LossScale(scale: 0.25), 0.25), (LossScale(minimumScale: 20), 20),
      (LossScale(minimumScale: 0x1p-126), 0x1p-126),
      (LossScale(minimumScale: 0.1), Double(Float(0.1))),
    ]
    for choice in try Self.engines() {
      for (scale, least) in scales {
        let optimizer = try Optimizer(
          SGD(learningRate: 1), layout: ParameterLayout(count: 2), on: choice)
        try optimizer.setLossScale(scale)
        var x: [Float] = [1, 1]
        for _ in 1...200 { try optimizer.step(&x, gradients: [.infinity, 1]) }
        #expect(try optimizer.lossScale?.scale == least && x == [1, 1])
        let restored = try Optimizer(optimizer.state, on: choice)
        try restored.step(&x, gradients: [Float(least), Float(0x1p20 * least)])
        #expect(try x == [0, 1 - 0x1p20] && restored.stepCount == 1, "\(optimizer.engineName)")
      }
    }
  }

  @Test("the scale moves alike by itself, in C and in Swift, and never where it is refused")
  func twins() throws {
    for seed in 0..<40 as Range<UInt64> {
      var random = SeededGenerator(seed: seed)
      func power() -> Double { Double.random(in: -126...126, using: &random) }
      let bounds = [exp2(power()), exp2(power())].sorted()
      var scale = LossScale(
        scale: Double.random(in: bounds[0]...bounds[1], using: &random),
        growthFactor: Double.random(in: 1...1e6, using: &random),
        backoffFactor: exp2(-Double.random(in: 0...60, using: &random)),
        growthInterval: Int.random(in: 1...3, using: &random), minimumScale: bounds[0],
        maximumScale: bounds[1])
      let control = StepControl(lossScale: scale)
      var (inC, inSwift) = (descent_control(lossScale: scale), descent_control(lossScale: scale))
      for _ in 0..<100 {
        try scale.validate()
        let isBad = Bool.random(using: &random)
        let total = ReferenceNorm.Partial(
          sum: 1, peak: (isBad ? Float.infinity : 1e-30).bitPattern)
        descent_decide(
          &inC, descent_partial(sum: total.sum, peak: total.peak),
          descent_clipping(gradientScale: 0.5, limit: .infinity, epsilon: 0), control.decision)
        ReferenceNorm.decide(&inSwift, total, gradientScale: 0.5, scale)
        scale.update(foundNonFinite: isBad)
        #expect(inC.lossScale == Float(scale.scale) && inSwift.lossScale == inC.lossScale)
        #expect(Int(inC.grown) == scale.stepsSinceChange && inSwift.grown == inC.grown)
        #expect(inC.applied == inSwift.applied && inC.skipped == inSwift.skipped)
        #expect(inC.scale == inSwift.scale && inC.inverse == inSwift.inverse)
      }
    }
  }

  @Test(
    "numbers that would not scale are refused by name; files without bounds have the usual ones")
  func refusals() throws {
    let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 1))
    let bounds = "2⁻¹²⁶ to 2¹²⁶, whose inverses are normal Floats too"
    for (scale, expected) in [
      (LossScale(scale: 0x1p127), "scale is \(0x1p127); allowed is \(bounds)"),
      (LossScale(scale: .nan, minimumScale: 1), "scale is nan; allowed is \(bounds)"),
      (LossScale(minimumScale: 0), "minimumScale is 0.0; allowed is \(bounds)"),
      (LossScale(maximumScale: .infinity), "maximumScale is inf; allowed is \(bounds)"),
      (
        LossScale(scale: 8, minimumScale: 16),
        "scale is 8.0; allowed is minimumScale to maximumScale, 16.0 to \(0x1p126)"
      ),
      (
        LossScale(scale: 8, maximumScale: 4),
        "scale is 8.0; allowed is minimumScale to maximumScale, 1.0 to 4.0"
      ),
      (
        LossScale(backoffFactor: 1e-46),
        "backoffFactor is 1e-46; allowed is above 0, also as a Float, and up to 1"
      ),
    ] {
      #expect(message { try optimizer.setLossScale(scale) } == "lossScale: \(expected)")
    }
    let old =
      #"{"scale":512,"growthFactor":2,"backoffFactor":0.5,"growthInterval":9,"stepsSinceChange":3}"#
    #expect(
      try JSONDecoder().decode(LossScale.self, from: Data(old.utf8))
        == LossScale(scale: 512, growthInterval: 9, stepsSinceChange: 3))
    let own = LossScale(scale: 4, minimumScale: 2, maximumScale: 8)
    #expect(try JSONDecoder().decode(LossScale.self, from: JSONEncoder().encode(own)) == own)
  }

  @Test("PyTorch's scale is taken over, and the optimizer's own bounds as far as they hold it")
  func exchange() throws {
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("descent-\(UUID().uuidString).safetensors").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let layout = try ParameterLayout(count: 1)
    let saved = try Optimizer(Adam(), layout: layout)
    try saved.setLossScale(LossScale(scale: 64, stepsSinceChange: 7, maximumScale: 128))
    var x: [Float] = [1]
    try saved.step(&x, gradients: [1])
    try saved.save(to: path, parameters: x, naming: .pyTorch)
    for (own, bounds) in [
      (nil, [1, 0x1p126]), (LossScale(minimumScale: 2, maximumScale: 0x1p20), [2, 0x1p20]),
      (LossScale(minimumScale: 256), [64, 0x1p126]),
      (LossScale(scale: 4, maximumScale: 8), [1, 64]),
    ] as [(LossScale?, [Double])] {
      let optimizer = try Optimizer(Adam(), layout: layout)
      try optimizer.setLossScale(own)
      try optimizer.load(from: path, parameters: &x)
      #expect(
        try optimizer.lossScale
          == LossScale(
            scale: 64, stepsSinceChange: 8, minimumScale: bounds[0], maximumScale: bounds[1]))
    }
  }

  @Test("the last norm is that of the gradient with this step's scales, also where the scale moves")
  func norm() throws {
    for choice in try Self.engines() {
      let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 2), on: choice)
      try optimizer.setLossScale(LossScale(scale: 256, growthInterval: 2))
      #expect(try optimizer.lastNorm == nil && optimizer.lastStepWasSkipped == nil)
      var x: [Float] = [1, 1]
      for (scale, gradientScale, norm) in [
        (256, 1, 5), (256, -0.5, 2.5), (512, 0, 0), (512, 2, 10),
      ] {
        #expect(try optimizer.lossScale?.scale == Double(scale))
        let g = [3 * Float(scale), 4 * Float(scale)]
        try optimizer.step(&x, gradients: g, gradientScale: gradientScale)
        #expect(try optimizer.lastNorm == norm, "\(optimizer.engineName), scale \(scale)")
        #expect(try optimizer.lastStepWasSkipped == false)
      }
      try optimizer.step(&x, gradients: [-Float.infinity, 4])
      #expect(try optimizer.lastNorm == .infinity && optimizer.lastStepWasSkipped == true)
      // Not a power of two: what the elements are multiplied by is a rounded inverse.
      try optimizer.setLossScale(LossScale(scale: 1000))
      optimizer.clipping = .globalNorm(5)
      try optimizer.accumulate([1000, 1000])
      try optimizer.step(&x, gradients: [2000, 3000])
      let norm = try #require(try optimizer.lastNorm)
      #expect(abs(norm - 5) < 1e-6)
      // A step that does not read its gradient first has no norm.
      optimizer.clipping = nil
      try optimizer.setLossScale(nil)
      try optimizer.step(&x, gradients: [3, 4])
      #expect(try optimizer.lastNorm == nil && optimizer.lastStepWasSkipped == nil)
    }
  }

  #if OpenCL
  @Test("steps in flight each have their own scale; the norm is the last one's", .needsDevice)
  func normInFlight() throws {
    for queue in try TestDevices.queues.get() {
      let optimizer = try Optimizer(
        SGD(), layout: ParameterLayout(count: 2), on: .openCL(queue))
      try optimizer.setLossScale(LossScale(scale: 2, growthInterval: 1))
      let x = try Buffer<Float>(queue.context, copying: [1, 1])
      for scale in [2, 4, 8, 16] as [Float] {
        let g = try Buffer<Float>(queue.context, copying: [3 * scale, 4 * scale])
        try optimizer.enqueueStep(x, gradients: g, gradientScale: 0.5)
      }
      #expect(try optimizer.lastNorm == 2.5 && optimizer.lossScale?.scale == 32)
    }
  }
  #endif

  @Test("two optimizers share a scale as they share PyTorch's GradScaler")
  func shared() throws {
    // `GradScaler`: each optimizer is skipped for its own infinities, the scale moves once for
    // both.
    for choice in try Self.engines() {
      let rules: [any UpdateRule] = [Adam(learningRate: 0.1), Momentum(learningRate: 0.1)]
      let optimizers = try rules.map {
        try Optimizer($0, layout: ParameterLayout(count: 3), on: choice)
      }
      let alone = try rules.map {
        try Optimizer($0, layout: ParameterLayout(count: 3), on: .reference)
      }
      var x: [[Float]] = [[1, 1, 1], [2, 2, 2]]
      var y = x
      var scale = LossScale(scale: 1024, growthInterval: 3)
      var (expected, tracker) = (1024.0, 0)
      for step in 1...40 {
        let bad = [step % 7 == 2, step % 5 == 3]
        for (index, optimizer) in optimizers.enumerated() {
          try optimizer.setLossScale(scale.fixed)
          let g = (0..<3).map { Float(($0 + step) % 4) - 1.5 }
          var scaled = g.map { $0 * Float(scale.scale) }
          if bad[index] { scaled[1] = .nan } else { try alone[index].step(&y[index], gradients: g) }
          try optimizer.step(&x[index], gradients: scaled)
          #expect(try optimizer.lastStepWasSkipped == bad[index])
        }
        scale.update(
          foundNonFinite: try optimizers.map { try $0.lastStepWasSkipped }.contains(true))
        tracker = bad.contains(true) ? 0 : tracker + 1
        if bad.contains(true) { expected /= 2 }
        if tracker == 3 { (expected, tracker) = (expected * 2, 0) }
        #expect(scale.scale == expected && scale.stepsSinceChange == tracker)
      }
      #expect(x == y)
      for (optimizer, other) in zip(optimizers, alone) {
        #expect(try optimizer.stepCount == other.stepCount)
      }
      // As a checkpoint keeps it.
      try optimizers[0].setLossScale(scale)
      #expect(try Optimizer(optimizers[0].state, on: choice).lossScale == scale)
    }
  }
}
