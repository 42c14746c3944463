import DescentTestSupport
import Foundation
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// Clipping, skipping, the loss scale and zeroing, inside the step and on every engine.
@Suite struct ControlTests {
  /// Gradients over many binades; every third step has one that is not finite.
  private static func gradients(_ count: Int, _ step: Int) -> [Float] {
    var result = PinnedSteps(count: count).gradients(step)
    if step % 3 == 2 { result[(step * 7919) % count] = step % 2 == 0 ? .infinity : .nan }
    return result
  }

  struct Setting: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let apply: @Sendable (Optimizer) throws -> Void

    static let all = [
      Setting(testDescription: "skip") { $0.skipsNonFinite = true },
      Setting(testDescription: "global norm") { $0.clipping = .globalNorm(0.7) },
      Setting(testDescription: "global norm with ε") {
        $0.clipping = .globalNorm(1e-3, epsilon: 1e-6)
      },
      Setting(testDescription: "tensor norm") { $0.clipping = .tensorNorm(3e4) },
      Setting(testDescription: "value") { $0.clipping = .value(0.25) },
      Setting(testDescription: "value and skip") {
        $0.clipping = .value(0.25)
        $0.skipsNonFinite = true
      },
      Setting(testDescription: "a group's own norm") {
        $0.skipsNonFinite = true
        try $0.setGroup("odd", to: ParameterGroup(clipping: .globalNorm(0.5)))
      },
      Setting(testDescription: "groups of all kinds") {
        $0.clipping = .globalNorm(10)
        try $0.setGroup("odd", to: ParameterGroup(clipping: .tensorNorm(0.5)))
        try $0.setGroup("even", to: ParameterGroup(isFrozen: true))
      },
      Setting(testDescription: "loss scale") {
        try $0.setLossScale(LossScale(scale: 1024, growthInterval: 2))
      },
      Setting(testDescription: "loss scale that is no power of two, clipped") {
        try $0.setLossScale(LossScale(scale: 1000, growthFactor: 3, backoffFactor: 0.3))
        $0.clipping = .globalNorm(1)
      },
    ]
  }

  @Test("every engine decides as the reference, to the bit", arguments: Setting.all)
  func agreement(_ setting: Setting) throws {
    let layout = try ParameterLayout.evenAndOdd()
    func run(_ choice: EngineChoice, zeroing: Bool) throws -> RunOutcome {
      let optimizer = try Optimizer(AdamW(weightDecay: 0.1), layout: layout, on: choice)
      try setting.apply(optimizer)
      var x = PinnedSteps(count: layout.count).parameters
      for step in 1...7 {
        var g = Self.gradients(layout.count, step)
        if zeroing {
          try optimizer.step(&x, zeroing: &g, gradientScale: 0.75)
          #expect(g.allSatisfy { $0 == 0 })
        } else {
          try optimizer.step(&x, gradients: g, gradientScale: 0.75)
        }
      }
      return try RunOutcome(optimizer, x)
    }
    let expected = try run(.reference, zeroing: false)
    #expect(try run(.reference, zeroing: true) == expected)
    for engine in try TestEngines.cut() {
      #expect(try run(engine, zeroing: false) == expected)
      #expect(try run(engine, zeroing: true) == expected)
    }
  }

  @Test("a skipped step leaves all as it was, and counts itself")
  func skipped() throws {
    for engine in try TestEngines.cut() + [.reference] {
      let optimizer = try Optimizer(Adam(), layout: ParameterLayout(count: 3), on: engine)
      optimizer.skipsNonFinite = true
      var x: [Float] = [1, 2, 3]
      try optimizer.step(&x, gradients: [1, 1, 1])
      let (before, states) = (x, try optimizer.states())
      var g: [Float] = [1, -.infinity, 1]
      try optimizer.step(&x, zeroing: &g)
      #expect(x == before && g == [0, 0, 0])
      #expect(try optimizer.states() == states)
      #expect(try optimizer.stepCount == 1 && optimizer.skippedStepCount == 1)
      #expect(try optimizer.lastNorm == .infinity)
      // Finite, but not once it is scaled.
      try optimizer.step(&x, gradients: [1, 1e38, 1], gradientScale: 10)
      #expect(try x == before && optimizer.skippedStepCount == 2)
      try optimizer.step(&x, gradients: [3, 4, 0])
      #expect(try x != before && optimizer.stepCount == 2)
      #expect(try optimizer.lastNorm == 5)
    }
  }

  @Test("norms are those of Float64, from 1e-30 to 1e30 and mixed")
  func accuracy() throws {
    let count = 100_000
    for (low, high) in [(-30, -30), (-30, -20), (0, 0), (19, 21), (28, 30), (-30, 30)] {
      let noise = PinnedSteps(count: count).gradients(1)
      let g = noise.indices.map { i in
        let exponent = Double(low) + Double(high - low) * Double(i) / Double(count)
        return Float(Double(noise[i].significand) * pow(10, exponent) / 2)
      }
      let truth = g.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      for engine in try TestEngines.cut() + [.reference] {
        let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: count), on: engine)
        optimizer.skipsNonFinite = true
        var x = [Float](repeating: 0, count: count)
        try optimizer.step(&x, gradients: g)
        let norm = try #require(try optimizer.lastNorm)
        #expect(abs(norm - truth) <= 4e-6 * truth, "10^\(low)…10^\(high)")
      }
    }
  }

  @Test("the greatest finite gradients have a norm, and clip")
  func greatest() throws {
    for engine in try TestEngines.cut() + [.reference] {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 4), on: engine)
      optimizer.clipping = .globalNorm(2)
      var x: [Float] = [0, 0, 0, 0]
      let most = Float.greatestFiniteMagnitude
      try optimizer.step(&x, gradients: [most, most, -most, most])
      #expect(try optimizer.lastNorm == 2 * Double(most))
      for value in x { #expect(abs(abs(value) - 1) < 1e-6) }
      try optimizer.step(&x, gradients: [0, 0, 0, 0])
      #expect(try optimizer.lastNorm == 0 && optimizer.stepCount == 2)
      let least = Float.leastNonzeroMagnitude
      try optimizer.step(&x, gradients: [least, 0, 0, 0])
      #expect(try optimizer.lastNorm == Double(least))
    }
  }

  @Test("what cannot be is refused before anything is touched")
  func errors() throws {
    let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 1))
    var x: [Float] = [1]
    for clipping in [Clipping.globalNorm(0), .tensorNorm(-1), .value(.nan), .globalNorm(1e39)] {
      optimizer.clipping = clipping
      #expect(
        message { try optimizer.step(&x, gradients: [1]) }
          .contains("allowed is a positive number that a Float can hold"))
    }
    optimizer.clipping = .globalNorm(1, epsilon: -1)
    #expect(message { try optimizer.step(&x, gradients: [1]) }.contains("epsilon is -1.0"))
    optimizer.clipping = nil
    #expect(
      message { try optimizer.setLossScale(LossScale(scale: 0)) }.contains("scale is 0.0"))
    #expect(
      message { try optimizer.setLossScale(LossScale(growthInterval: 0)) }
        .contains("growthInterval is 0; allowed is"))
    #expect(
      message { try optimizer.setLossScale(LossScale(backoffFactor: 1e-50)) }
        .contains("backoffFactor is 1e-50"))
    #expect(try x == [1] && optimizer.stepCount == 0)
    #expect(try optimizer.lastNorm == nil && optimizer.lossScale == nil)
  }

  @Test("a piece of gradients that begins in the middle of a tile cannot be looked at")
  func pieces() throws {
    let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 4))
    optimizer.skipsNonFinite = true
    var (x, g) = ([Float](repeating: 1, count: 4), [Float](repeating: 1, count: 4))
    x.withUnsafeMutableBufferPointer { x in
      g.withUnsafeMutableBufferPointer { g in
        #expect(
          message {
            try optimizer.step(
              [x],
              gradients: [
                UnsafeBufferPointer(rebasing: g[..<2]), UnsafeBufferPointer(rebasing: g[2...]),
              ])
          }.hasPrefix("the start of a piece of gradients is 2; allowed is "))
      }
    }
    #expect(x == [1, 1, 1, 1])
  }

  #if OpenCL
  @Test("a device's kernels find the loss scale where it is", .needsDevice)
  func lossScaleOnDevice() throws {
    for queue in try TestDevices.queues.get() {
      let optimizer = try Optimizer(
        SGD(), layout: ParameterLayout(count: 2), on: .openCL(queue))
      let place = try optimizer.deviceLossScale
      func scale() throws -> Float {
        try place.buffer.read(on: queue)[place.range.lowerBound]
      }
      #expect(try scale() == 1)
      try optimizer.setLossScale(LossScale(scale: 512, growthInterval: 2))
      #expect(try scale() == 512)
      let x = try Buffer<Float>(queue.context, copying: [1, 1])
      let finite = try Buffer<Float>(queue.context, copying: [3, 4])
      let spoiled = try Buffer<Float>(queue.context, copying: [.infinity, 4])
      for (gradients, expected) in [(spoiled, Float(256)), (finite, 256), (finite, 512)] {
        try optimizer.enqueueStep(x, gradients: gradients)
        #expect(try scale() == expected)
      }
      // The same place, also after the states were replaced.
      try optimizer.enqueueStep(x, gradients: spoiled)
      try optimizer.reset()
      try optimizer.enqueueStep(x, gradients: finite)
      #expect(try scale() == 256 && optimizer.lossScale?.scale == 256)
      #expect(try optimizer.deviceLossScale.overlaps(place))
      try optimizer.reset()
      try optimizer.setLossScale(LossScale(scale: 64))
      #expect(try scale() == 64)
    }
    let host = try Optimizer(SGD(), layout: ParameterLayout(count: 2), on: .cpu)
    #expect(throws: DescentError.self) { try host.deviceLossScale }
  }
  #endif

  @Test("the loss scale and the norm can be asked for at any time")
  func asked() throws {
    for engine in try TestEngines.cut() + [.reference] {
      let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 2), on: engine)
      #expect(try optimizer.lastNorm == nil && optimizer.lossScale == nil)
      let scale = LossScale(scale: 512, growthInterval: 9, stepsSinceChange: 3)
      try optimizer.setLossScale(scale)
      #expect(try optimizer.lossScale == scale)
      var x: [Float] = [1, 1]
      try optimizer.step(&x, gradients: [3, 4])
      optimizer.clipping = .value(1)
      #expect(
        try optimizer.lastNorm == 5.0 / 512 && optimizer.lossScale?.stepsSinceChange == 4)
      try optimizer.step(&x, gradients: [.nan, 4])
      #expect(try optimizer.lossScale?.scale == 256)
      try optimizer.setLossScale(nil)
      #expect(try optimizer.lastNorm?.isNaN == true && optimizer.lossScale == nil)
      try optimizer.step(&x, gradients: [3, 4])
      #expect(try optimizer.lastNorm == nil && optimizer.stepCount == 2)
      try optimizer.setLossScale(scale)
      try optimizer.step(&x, gradients: [3, 4])
      try optimizer.reset()
      #expect(try optimizer.lossScale?.scale == 512 && optimizer.lastNorm == nil)
      try optimizer.step(&x, gradients: [3, 4])
      #expect(try optimizer.stepCount == 1)
    }
  }

  @Test("frozen groups are not looked at, and their gradients are zeroed all the same")
  func frozen() throws {
    let layout = try ParameterLayout.evenAndOdd()
    for engine in try TestEngines.cut() + [.reference] {
      let optimizer = try Optimizer(Adam(), layout: layout, on: engine)
      for (group, clipping) in [("odd", Clipping?.none), ("odd", .globalNorm(1)), ("even", nil)] {
        optimizer.clipping = clipping
        try optimizer.setGroup(group, to: ParameterGroup(isFrozen: true))
        var x = [Float](repeating: 1, count: layout.count)
        var g = [Float](repeating: 1, count: layout.count)
        for tensor in layout.tensors where tensor.group == "odd" {
          for index in tensor.range { g[index] = .nan }
        }
        try optimizer.step(&x, zeroing: &g)
        #expect(g.allSatisfy { $0 == 0 })
        for tensor in layout.tensors {
          let isFrozen = try optimizer.group(tensor.group).isFrozen
          #expect(
            x[tensor.range].allSatisfy { ($0 == 1) == isFrozen && !$0.isNaN },
            "\(optimizer.engineName), \(tensor.name)")
        }
      }
      #expect(try optimizer.skippedStepCount == 0 && optimizer.stepCount == 3)
    }
  }

  @Test("a γ that changes is refused where a step may be skipped")
  func lookAhead() throws {
    let optimizer = try Optimizer(
      Nesterov(momentum: 0.5, nextMomentum: 0.75), layout: ParameterLayout(count: 1))
    optimizer.skipsNonFinite = true
    var x: [Float] = [1]
    #expect(message { try optimizer.step(&x, gradients: [1]) }.contains("nextMomentum cannot"))
    optimizer.rule = Nesterov(momentum: 0.5)
    try optimizer.step(&x, gradients: [1])
    #expect(try optimizer.stepCount == 1)
  }

  #if OpenCL
  @Test("a group that sums a tile finds the item's bits, and the reference's", .needsDevice)
  func tileBodies() throws {
    let layout = try ParameterLayout.evenAndOdd()
    let control = StepControl(clipping: .tensorNorm(1), isFrozen: [false, false])
    let g = PinnedSteps(count: layout.count).gradients(3)
    for queue in try TestDevices.queues.get() {
      let gradients = try Buffer(queue.context, copying: g)
      var found: [[Float]] = []
      for groupPerTile in [false, true] {
        let norm = try DeviceNorm(layout, control, queue.context, groupPerTile: groupPerTile)
        try norm.prepare(Pieces(count: layout.count), of: .float32, sum: nil, queue.context)
        let state = try DeviceControl(queue, lossScale: nil)
        try norm.enqueue(
          [DeviceSlice(gradients.whole, of: .float32)], scale: 1, state: state.state, on: queue,
          after: [])
        let now = try state.state.read(on: queue)[0]
        found.append(try norm.coefficients.read(on: queue) + [now.total.sum, Float(now.applied)])
      }
      #expect(found[0] == found[1] && found[0].last == 1 && found[0].contains { $0 < 1 })
    }
  }

  @Test(
    "steps in flight are forgotten by a reset, and ways of stepping may take turns", .needsDevice)
  func turns() throws {
    for queue in try TestDevices.queues.get() {
      let layout = try ParameterLayout.evenAndOdd()
      let reference = try Optimizer(Adam(), layout: layout, on: .reference)
      let optimizer = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
      var expected = [Float](repeating: 1, count: layout.count)
      let x = try Buffer(queue.context, copying: expected)
      let g = Self.gradients(layout.count, 1)
      let gradients = try Buffer(queue.context, copying: g)
      func both(_ body: (Optimizer) throws -> Void) rethrows {
        for one in [reference, optimizer] { try body(one) }
      }
      func step(_ times: Int) throws {
        for _ in 0..<times {
          try reference.step(&expected, gradients: g)
          try optimizer.enqueueStep(x, gradients: gradients)
        }
      }
      both { $0.clipping = .globalNorm(1) }
      try step(5)
      try both { try $0.reset() }
      try step(40)
      both { $0.clipping = nil }
      try step(3)
      both { $0.skipsNonFinite = true }
      try step(3)
      try both { try $0.setGroup("odd", to: ParameterGroup(learningRateFactor: 0.5)) }
      try step(3)
      try both { try $0.setGroup("odd", to: ParameterGroup(isFrozen: true)) }
      try step(3)
      #expect(try x.read(on: queue) == expected)
      #expect(try optimizer.stepCount == 52 && reference.stepCount == 52)
      #expect(try optimizer.stepCount(ofGroup: "odd") == 49)
      #expect(try optimizer.states() == reference.states())
    }
  }

  @Test("random skips under a queue kept deep give the bits of one step at a time", .needsDevice)
  func deep() throws {
    for queue in try TestDevices.queues.get() {
      let layout = try ParameterLayout.evenAndOdd()
      let steps = 100
      let reference = try Optimizer(Adam(learningRate: 0.01), layout: layout, on: .reference)
      let optimizer = try Optimizer(Adam(learningRate: 0.01), layout: layout, on: .openCL(queue))
      for optimizer in [reference, optimizer] {
        optimizer.clipping = .globalNorm(0.5)
        try optimizer.setLossScale(LossScale(scale: 8, growthInterval: 3))
      }
      var expected = [Float](repeating: 1, count: layout.count)
      let x = try Buffer(queue.context, copying: expected)
      let gradients = try (0..<5).map {
        try Buffer(queue.context, copying: Self.gradients(layout.count, $0 + 1))
      }
      var events: [Event] = []
      for step in 0..<steps {
        let which = (step * 7 + step / 3) % 5
        try reference.step(&expected, gradients: Self.gradients(layout.count, which + 1))
        events.append(try optimizer.enqueueStep(x, gradients: gradients[which]))
        if step >= 20 { try events[step - 20].wait() }
      }
      #expect(try x.read(on: queue) == expected)
      #expect(try optimizer.skippedStepCount == reference.skippedStepCount)
      #expect(try optimizer.stepCount == reference.stepCount && reference.skippedStepCount > 20)
      #expect(try optimizer.lossScale == reference.lossScale)
      #expect(try optimizer.states() == reference.states())
    }
  }
  #endif
}
