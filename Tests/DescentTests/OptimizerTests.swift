import DescentTestSupport
import Foundation
import Logging
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

@Suite struct OptimizerTests {
  /// Two tensors with a name each.
  private func layout() throws -> ParameterLayout {
    var layout = ParameterLayout()
    try layout.append("weight", shape: [2, 3])
    try layout.append("bias", shape: [2])
    return layout
  }

  private struct Model {
    var p: [Float] = [1, 2, 3, 4, 5, 6, 7, 8]
    var g: [Float] = [8, 7, 6, 5, 4, 3, 2, 1]
  }

  @Test("arrays, spans and unsafe buffers are one step")
  func overloads() throws {
    for choice in try TestEngines.choices() {
      let optimizers = try (0..<3).map { _ in
        try Optimizer(Adam(learningRate: 0.1), layout: layout(), on: choice)
      }
      var (model, other, third) = (Model(), Model(), Model())
      for _ in 0..<3 {
        try optimizers[0].step(&model.p, gradients: model.g)
        let g = other.g
        try optimizers[1].step(other.p.mutableSpan, gradients: g.span)
        try third.p.withUnsafeMutableBufferPointer { p in
          try g.withUnsafeBufferPointer { g in try optimizers[2].step(p, gradients: g) }
        }
      }
      #expect(model.p == other.p && model.p == third.p && model.p != Model().p)
      let counts = try optimizers.map { try $0.stepCount }
      #expect(counts == [3, 3, 3])
    }
  }

  @Test("no elements are a step like any other")
  func empty() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(Adam(), layout: ParameterLayout(), on: choice)
      var none: [Float] = []
      try optimizer.step(&none, gradients: [])
      #expect(try optimizer.stepCount == 1 && none.isEmpty)
      #expect(try optimizer.states() == ["m": [], "v": []])
    }
  }

  @Test("a rate set between steps is the rate of the next step")
  func learningRate() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 1), on: choice)
      var x: [Float] = [0]
      try optimizer.step(&x, gradients: [1])
      optimizer.setLearningRate(0.5)
      try optimizer.step(&x, gradients: [1])
      optimizer.rule = SGD(learningRate: 0.25, maximize: true)
      try optimizer.step(&x, gradients: [1])
      #expect(x == [-1.25])
    }
  }

  @Test("a gradient scale is a factor of the gradient")
  func gradientScale() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 1), on: choice)
      var x: [Float] = [0]
      try optimizer.step(&x, gradients: [1024], gradientScale: 1 / 1024)
      #expect(x == [-1])
    }
  }

  @Test("states are read and written by state and tensor")
  func states() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        AdaGrad(learningRate: 0.1, initialAccumulator: 0.5), layout: layout(), on: choice)
      #expect(optimizer.stateNames == ["sum"])
      #expect(try optimizer.state("sum", of: "bias") == [0.5, 0.5])
      try optimizer.setState("sum", of: "bias", to: [3, 4])
      #expect(try optimizer.state("sum") == [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 3, 4])
      try optimizer.reset()
      #expect(try optimizer.state("sum") == Array(repeating: 0.5, count: 8))
    }
  }

  @Test(
    "a run that moves to another engine leaves the bits of one that stayed",
    arguments: AgreementTests.variants)
  func moves(_ variant: RuleVariant) throws {
    let vectors = Agreement.Vectors(count: 257)
    let layout = try ParameterLayout(count: 257, for: variant.rule)
    let choices = try TestEngines.choices()
    let stays = try Optimizer(variant.rule, layout: layout, on: .cpu)
    var moves = try Optimizer(variant.rule, layout: layout, on: .reference)
    var (a, b) = (vectors.parameters, vectors.parameters)
    for (index, gradients) in vectors.gradients.enumerated() {
      try stays.step(&a, gradients: gradients)
      try moves.step(&b, gradients: gradients)
      let next = try Optimizer(variant.rule, layout: layout, on: choices[index % choices.count])
      try next.restore(
        states: moves.states(), stepCount: moves.stepCount, histories: moves.status.histories)
      moves = next
    }
    #expect(Difference(a, b) == Difference())
  }

  @Test("what cannot be is refused by name, and nothing changes")
  func errors() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(Adam(learningRate: 0.1), layout: layout(), on: choice)
      var x = Model().p
      try optimizer.step(&x, gradients: Model().g)
      let before = (x, try optimizer.states())

      func refuses(_ expected: String, _ body: () throws -> Void) throws {
        #expect(message(body) == expected)
        #expect(try x == before.0 && optimizer.stepCount == 1)
        #expect(try optimizer.states() == before.1)
      }
      try refuses("gradients: 7 given, 8 expected") {
        try optimizer.step(&x, gradients: Array(Model().g.dropLast()))
      }
      try refuses("parameters: 1 given, 8 expected") {
        var one: [Float] = [1]
        try optimizer.step(&one, gradients: Model().g)
      }
      try refuses("gradientScale is inf; allowed is what a Float can hold") {
        try optimizer.step(&x, gradients: Model().g, gradientScale: .infinity)
      }
      try refuses("two of the parameters, gradients and states share memory") {
        var memory = [Float](repeating: 1, count: 9)
        try memory.withUnsafeMutableBufferPointer { memory in
          try optimizer.step(
            UnsafeMutableBufferPointer(rebasing: memory[0..<8]),
            gradients: UnsafeBufferPointer(rebasing: memory[1..<9]))
        }
      }
      try refuses("there is no state of adam \"u\"; there is m, v") {
        _ = try optimizer.state("u")
      }
      try refuses("there is no tensor \"head\"; there is weight, bias") {
        try optimizer.setState("m", of: "head", to: [])
      }
      try refuses("state \"m\" of \"bias\": 3 given, 2 expected") {
        try optimizer.setState("m", of: "bias", to: [1, 2, 3])
      }
      try refuses("the state \"v\" is needed; given are: m") {
        try optimizer.restore(states: ["m": x], stepCount: 3)
      }
      try refuses("there is no state of adam \"u\"; there is m, v") {
        try optimizer.restore(states: ["m": x, "v": x, "u": x], stepCount: 3)
      }
      try refuses("stepCount is -1; allowed is 0 to 9007199254740992") {
        try optimizer.restore(states: ["m": x, "v": x], stepCount: -1)
      }
      optimizer.setLearningRate(.nan)
      try refuses(
        "adam: learningRate is nan; allowed is a number of at least 0 that a Float can hold"
      ) {
        try optimizer.step(&x, gradients: Model().g)
      }
      optimizer.rule = AMSGrad(learningRate: 0.1)
      #expect(
        message { try optimizer.step(&x, gradients: Model().g) }
          == "the optimizer was made for adam and keeps its states; amsgrad needs a new optimizer")
      try refuses("no error") { _ = try optimizer.states() }
      #expect(message { try optimizer.reset() }.contains("needs a new"))
      #expect(message { try optimizer.restore(states: before.1, stepCount: 9) }.contains("needs a"))
      optimizer.rule = AdamW(learningRate: 0.1)
      #expect(message { try optimizer.step(&x, gradients: Model().g) }.contains("needs a new"))
      optimizer.rule = Adam(learningRate: 0.1)
      try refuses("no error") {}
      try optimizer.step(&x, gradients: Model().g)
      #expect(try optimizer.stepCount == 2)
    }
  }

  @Test("hyper-parameters that change what the states mean are refused")
  func meanings() throws {
    func refusal<Rule: UpdateRule>(_ first: Rule, _ second: Rule) throws -> String {
      let optimizer = try Optimizer(first, layout: ParameterLayout(count: 1), on: .cpu)
      var x: [Float] = [1]
      try optimizer.step(&x, gradients: [1])
      optimizer.rule = second
      return message { try optimizer.step(&x, gradients: [1]) }
    }
    #expect(
      try refusal(Momentum(), Momentum(learningRateInBuffer: true))
        == "the optimizer was made for momentum and keeps its states; momentum (momentum of steps) "
        + "needs a new optimizer")
    #expect(try refusal(Momentum(), Momentum(exponentialAverage: true)).contains("needs a new"))
    #expect(try refusal(RMSProp(), RMSProp(momentum: 0.9)).contains("needs a new"))
    #expect(try refusal(RMSProp(), RMSProp(centered: true)).contains("needs a new"))
    #expect(
      try refusal(
        RMSProp(momentum: 0.9), RMSProp(momentum: 0.9, learningRateInBuffer: true)
      ).contains("needs a new"))
    #expect(try refusal(AMSGrad(), AMSGrad(amsgradMaxOfCorrected: true)).contains("needs a new"))
    #expect(try refusal(RMSProp(), RMSProp(learningRateInBuffer: true)) == "no error")
    #expect(try refusal(Adam(), Adam(beta1: 0.5, epsilonBeforeCorrection: true)) == "no error")
  }

  @Test("a layout that no memory can hold is an error")
  func memory() throws {
    for choice in [EngineChoice.cpu, .reference] {
      #expect(
        message {
          _ = try Optimizer(Momentum(), layout: ParameterLayout(count: 1 << 50), on: choice)
        } == "there is no memory for 4503599627370496 bytes")
    }
  }

  @Test("after a reset a run is a new run", arguments: AgreementTests.variants)
  func reset(_ variant: RuleVariant) throws {
    let vectors = Agreement.Vectors(count: 37, steps: 3)
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        variant.rule, layout: ParameterLayout(count: 37, for: variant.rule), on: choice)
      func run() throws -> [Float] {
        var x = vectors.parameters
        for gradients in vectors.gradients { try optimizer.step(&x, gradients: gradients) }
        return x
      }
      let first = try run()
      try optimizer.reset()
      #expect(try optimizer.stepCount == 0)
      #expect(Difference(first, try run()) == Difference())
    }
  }

  @Test("a tensor's state is read from where it lies")
  func stateOfTensor() throws {
    var layout = ParameterLayout()
    try layout.append("weight", shape: [2, 3])
    try layout.append("bias", shape: [2])
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(Adam(), layout: layout, on: choice)
      try optimizer.setState("v", of: "weight", to: [1, 2, 3, 4, 5, 6])
      try optimizer.setState("v", of: "bias", to: [7, 8])
      #expect(try optimizer.state("v", of: "weight") == [1, 2, 3, 4, 5, 6])
      #expect(try optimizer.state("v", of: "bias") == [7, 8])
      #expect(try optimizer.state("m", of: "bias") == [0, 0])
    }
  }

  @Test("neighbours in memory do not overlap; a scale beyond Float is refused")
  func neighbours() throws {
    let optimizer = try Optimizer(
      SGD(learningRate: 1), layout: ParameterLayout(count: 4), on: .cpu)
    var memory = [Float](repeating: 1, count: 8)
    let none: [UnsafeMutableBufferPointer<Float>] = []
    try memory.withUnsafeMutableBufferPointer { memory in
      let (low, high) = (
        UnsafeMutableBufferPointer(rebasing: memory[0..<4]),
        UnsafeMutableBufferPointer(rebasing: memory[4..<8])
      )
      try optimizer.step(low, gradients: UnsafeBufferPointer(high))
      try optimizer.step(high, gradients: UnsafeBufferPointer(low))
      #expect(
        message {
          try optimizer.step(low, gradients: UnsafeBufferPointer(high), gradientScale: 1e300)
        } == "gradientScale is 1e+300; allowed is what a Float can hold")
      #expect(
        message {
          try SGD().update(
            parameters: low, gradients: UnsafeBufferPointer(high), states: none, step: 1,
            gradientScale: .nan)
        } == "gradientScale is nan; allowed is what a Float can hold")
      #expect(
        message {
          try SGD().update(
            parameters: low, gradients: UnsafeBufferPointer(rebasing: memory[3..<7]), states: none,
            step: 1)
        } == "two of the parameters, gradients and states share memory")
    }
    #expect(memory == [0, 0, 0, 0, 1, 1, 1, 1])
  }

  @Test("the reference refuses what the optimizer would")
  func referenceErrors() {
    func update(_ rule: some UpdateRule, _ gradients: [Double], _ states: [[Double]], _ step: Int)
      -> String
    {
      var (x, states) = ([1.0, 1], states)
      return message {
        try rule.referenceUpdate(&x, gradients: gradients, states: &states, step: step)
      }
    }
    #expect(update(SGD(learningRate: -1), [1, 1], [], 1).hasPrefix("sgd: learningRate is -1.0"))
    #expect(update(SGD(), [1], [], 1) == "gradients: 1 given, 2 expected")
    #expect(update(Momentum(), [1, 1], [], 1) == "states of momentum: 0 given, 1 expected")
    #expect(update(Momentum(), [1, 1], [[1]], 1) == "state \"b\": 1 given, 2 expected")
    #expect(update(SGD(), [1, 1], [], 0) == "step is 0; allowed is 1 to 9007199254740992")
  }

  @Test("climbing keeps the gradient's scale, and weight decay does not climb")
  func scaledAscent() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        SGD(learningRate: 1, weightDecay: 0.5, maximize: true), layout: ParameterLayout(count: 1),
        on: choice)
      var x: [Float] = [1]
      try optimizer.step(&x, gradients: [1024], gradientScale: 1 / 1024)
      #expect(x == [1.5])
    }
  }

  @Test("the decay's factor ηλ is rounded once")
  func decayFactor() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        SGD(learningRate: 3, weightDecay: 0.3, decoupled: true),
        layout: ParameterLayout(count: 1), on: choice)
      var x: [Float] = [1]
      try optimizer.step(&x, gradients: [0])
      // Float(3) · Float(0.3) would be the next Float.
      #expect(x == [1 - 0.9])
    }
  }

  /// Fails as configured.
  final class FailingEngine: Engine {
    let name = "failing"
    var failure: (any Error)?
    func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) throws {
      if let failure { throw failure }
    }
    func read(_: StateVector, _: Range<Int>, into: ElementPointer) {}
    func write(_: StateVector, _: Range<Int>, from: ElementPointer) throws {
      if let failure { throw failure }
    }
    let launchesPerStep = 0
    let stepsInFlight = 0
    func accumulate(_: HostPieces, begins: Bool, zeroes: Bool) {}
    func dropAverage() {}
    func collect(wait: Bool) -> DecidedSteps { DecidedSteps() }
    func setLossScale(_: LossScale?) {}
    func lastDecision() -> StepDecision { StepDecision() }
    func lastHeard() -> StepDecision { StepDecision() }
    func log(to: Logger?) {}
    func checkEnqueued() {}
    func forgetEnqueued() {}
  }
  struct Failure: Error, CustomStringConvertible { let description = "it broke" }

  @Test("a step that failed before writing may be repeated; one torn in the middle stops the run")
  func torn() throws {
    let engine = FailingEngine()
    let optimizer = try Optimizer(Momentum(), layout: ParameterLayout(count: 1), engine: engine)
    var x: [Float] = [1]
    try optimizer.step(&x, gradients: [1])
    engine.failure = Failure()
    #expect(message { try optimizer.step(&x, gradients: [1]) } == "it broke")
    engine.failure = nil
    try optimizer.step(&x, gradients: [1])
    #expect(try optimizer.stepCount == 2)
    let refusal = "\(DescentError.tornStep("it broke"))"
    for again in [
      { try optimizer.reset() }, { try optimizer.restore(states: ["b": [0]], stepCount: 5) },
    ] {
      engine.failure = TornStep(underlying: Failure())
      let steps = try optimizer.stepCount
      #expect(message { try optimizer.step(&x, gradients: [1]) } == "it broke")
      engine.failure = nil
      #expect(message { try optimizer.step(&x, gradients: [1]) } == refusal)
      #expect(try optimizer.stepCount == steps)
      engine.failure = Failure()
      #expect(message { try again() } == "it broke")
      engine.failure = nil
      #expect(message { try optimizer.step(&x, gradients: [1]) }.contains("only partly re"))
      try again()
      try optimizer.step(&x, gradients: [1])
    }
    #expect(try optimizer.stepCount == 6)
  }

  @Test("a rule that cannot be makes no optimizer")
  func badRule() throws {
    #expect(
      message { _ = try Optimizer(SGD(learningRate: -1), layout: ParameterLayout(count: 1)) }
        == "sgd: learningRate is -1.0; allowed is a number of at least 0 that a Float can hold")
    #expect(
      message {
        _ = try Optimizer(SGD(), layout: ParameterLayout(count: 1), on: .cpu(threads: 0))
      } == "the CPU engine's number of threads is 0; allowed is 1 or more")
  }

  @Test("the automatic choice says what it took, and why")
  func automatic() throws {
    let optimizer = try Optimizer(SGD(), layout: ParameterLayout(count: 1))
    #expect(optimizer.engineName.hasPrefix("cpu (") || optimizer.engineName.hasPrefix("opencl ("))
    #expect(optimizer.engineReason == AutomaticChoice().reason)
    #expect(
      try Optimizer(SGD(), layout: ParameterLayout(count: 1), on: .cpu).engineReason == "asked for")
  }

  @Test("the stateless update is the optimizer's", arguments: AgreementTests.stateless)
  func stateless(_ variant: RuleVariant) throws {
    let vectors = Agreement.Vectors(count: 133)
    let optimizer = try Optimizer(variant.rule, layout: ParameterLayout(count: 133), on: .cpu)
    var (a, b) = (vectors.parameters, vectors.parameters)
    let names = variant.rule.stateNames
    let states = names.map { name in
      let state = UnsafeMutableBufferPointer<Float>.allocate(capacity: 133)
      _ = state.initialize(
        fromContentsOf: variant.rule.initialState(name, parameters: vectors.parameters))
      return state
    }
    defer { for state in states { state.deallocate() } }
    for (index, gradients) in vectors.gradients.enumerated() {
      try optimizer.step(&a, gradients: gradients)
      try b.withUnsafeMutableBufferPointer { b in
        try gradients.withUnsafeBufferPointer { g in
          try variant.rule.update(parameters: b, gradients: g, states: states, step: index + 1)
        }
      }
    }
    #expect(Difference(a, b) == Difference())
    for (name, state) in zip(names, states) {
      #expect(Difference(try optimizer.state(name), Array(state)) == Difference())
    }
  }

  @Test("the stateless update over arrays is that over memory")
  func statelessArrays() throws {
    let vectors = Agreement.Vectors(count: 19)
    let optimizer = try Optimizer(Adam(), layout: ParameterLayout(count: 19), on: .cpu)
    var (a, b) = (vectors.parameters, vectors.parameters)
    var moments = [[Float]](repeating: [Float](repeating: 0, count: 19), count: 2)
    for (index, gradients) in vectors.gradients.enumerated() {
      try optimizer.step(&a, gradients: gradients)
      try Adam().update(&b, gradients: gradients, states: &moments, step: index + 1)
    }
    #expect(Difference(a, b) == Difference())
    #expect(Difference(moments[0], try optimizer.state("m")) == Difference())
    #expect(Difference(moments[1], try optimizer.state("v")) == Difference())
    moments.removeLast()
    #expect(
      message { try Adam().update(&b, gradients: b, states: &moments, step: 1) }
        == "states of adam: 1 given, 2 expected")
    #expect(moments.count == 1)
  }

  @Test("the stateless update refuses what the optimizer would")
  func statelessErrors() {
    var (x, m) = ([Float](repeating: 1, count: 4), [Float](repeating: 0, count: 4))
    let g = x
    func update(_ rule: some UpdateRule, states count: Int, gradients: Int = 4, step: Int = 1)
      -> String
    {
      message {
        try x.withUnsafeMutableBufferPointer { x in
          try m.withUnsafeMutableBufferPointer { m in
            try g.withUnsafeBufferPointer { g in
              try rule.update(
                parameters: x, gradients: UnsafeBufferPointer(rebasing: g.prefix(gradients)),
                states: Array(repeating: m, count: count), step: step)
            }
          }
        }
      }
    }
    #expect(update(Momentum(), states: 0) == "states of momentum: 0 given, 1 expected")
    #expect(update(SGD(), states: 0, gradients: 3) == "gradients: 3 given, 4 expected")
    #expect(update(Momentum(), states: 1, step: 0) == "step is 0; allowed is 1 to 9007199254740992")
    #expect(update(SGD(learningRate: -1), states: 0).hasPrefix("sgd: learningRate is -1.0"))
    #expect(
      update(Adam(), states: 2) == "two of the parameters, gradients and states share memory")
    #expect(x == g)
  }

  #if OpenCL
  @Test("the automatic choice takes no processor, and none that is not there")
  func automaticTakesNoProcessor() {
    let processors = Device.all.filter { !$0.type.contains(.gpu) }
    #expect(AutomaticChoice(from: processors).device == nil)
    #expect(
      AutomaticChoice(from: []).reason == "there is no OpenCL device"
        && AutomaticChoice(from: []).device == nil)
  }

  @Test(
    "an enqueued step waits for what it is told to, and refuses short parameters", .needsDevice)
  func enqueueAfter() throws {
    for shared in try TestDevices.queues.get() where shared.device.platform.name != "Oclgrind" {
      let queue = try CommandQueue(shared.context)
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(count: 4), on: .openCL(queue))
      let parameters = try Buffer<Float>(queue.context, copying: [1, 1, 1, 1])
      let gradients = try Buffer<Float>(queue.context, copying: [1, 1, 1, 1])
      let gate = try UserEvent(queue.context)
      let event = try optimizer.enqueueStep(parameters, gradients: gradients, after: [gate.event])
      try queue.flush()
      Thread.sleep(forTimeInterval: 0.05)
      #expect(try !event.isComplete)
      try gate.complete()
      try event.wait()
      #expect(try parameters.read(on: queue) == [0, 0, 0, 0])
      let short = try Buffer<Float>(queue.context, count: 3)
      #expect(
        message { try optimizer.enqueueStep(short, gradients: gradients) }
          == "parameters: 3 given, 4 expected")
    }
  }

  @Test(
    "device memory: enqueued steps are host steps, and buffers of another length are refused",
    .needsDevice)
  func enqueue() throws {
    for queue in try TestDevices.queues.get() {
      let vectors = Agreement.Vectors(count: 1000)
      let layout = try ParameterLayout(count: 1000)
      let host = try Optimizer(Adam(), layout: layout, on: .cpu)
      let device = try Optimizer(Adam(), layout: layout, on: .openCL(queue))
      #expect(device.queue === queue && host.queue == nil)
      var expected = vectors.parameters
      let parameters = try Buffer<Float>(queue.context, copying: vectors.parameters)
      let gradients = try Buffer<Float>(queue.context, count: 1000)
      for values in vectors.gradients {
        try host.step(&expected, gradients: values)
        try gradients.write(values, on: queue)
        let event = try device.enqueueStep(parameters, gradients: gradients)
        try event.wait()
      }
      #expect(Difference(try parameters.read(on: queue), expected) == Difference())
      let short = try Buffer<Float>(queue.context, count: 999)
      #expect(
        message { try device.enqueueStep(parameters, gradients: short) }
          == "gradients: 999 given, 1000 expected")
      #expect(
        message { try device.enqueueStep(parameters, gradients: parameters) }
          == "two of the parameters, gradients and states share memory")
      #expect(
        message { try host.enqueueStep(parameters, gradients: gradients) }.hasPrefix(
          "enqueueStep needs an optimizer on an OpenCL device; this one runs on cpu"))
      let stranger = try Buffer<Float>(Context(queue.device), count: 1000)
      #expect(
        message { try device.enqueueStep(stranger, gradients: gradients) }.contains(
          "another context"))
      #expect(try device.stepCount == 25)
    }
  }

  @Test("launch shapes that a device cannot have are refused", .needsDevice)
  func launchShapes() throws {
    for queue in try TestDevices.queues.get() {
      let layout = try ParameterLayout(count: 1)
      #expect(
        message {
          _ = try Optimizer(
            SGD(), layout: layout, on: .openCL(queue, shape: LaunchShape(lanes: 3, groupSize: 64)))
        } == "lanes is 3; allowed is 1, 2, 4, 8 or 16")
      #expect(
        message {
          _ = try Optimizer(
            SGD(), layout: layout, on: .openCL(queue, shape: LaunchShape(lanes: 4, groupSize: 0)))
        }.hasPrefix("groupSize is 0; allowed is 1 to "))
    }
  }
  #endif
}
