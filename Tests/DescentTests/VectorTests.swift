import DescentTestSupport
import Testing
import Verification

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// One tensor that a visitor takes.
private struct Model: ParameterVisitable, Equatable {
  var values: [Float]

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("parameters", &values)
  }
}

/// A model that is passed by value.
private final class SharedModel: ParameterVisitable, MutableVectorView {
  var values: [Float]

  init(_ values: [Float]) { self.values = values }

  func visitParameters(_ visitor: inout ParameterVisitor) { visitor.visit("parameters", &values) }
}

/// A vector of a caller's own type.
private struct Wrapper: MutableVector {
  var values: [Float]

  func withVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try values.withVectorMemory(for: use, body)
  }

  mutating func withMutableVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try values.withMutableVectorMemory(for: use, body)
  }
}

@Suite struct VectorTests {
  private static let count = 50
  private static let pinned = PinnedSteps(count: count)

  private static func gradients(_ step: Int) -> [Float] { pinned.gradients(step) }

  private static func optimizer(on choice: EngineChoice) throws -> Optimizer {
    try Optimizer(AdamW(), layout: ParameterLayout(count: count), on: choice)
  }

  /// Calls `body` with pieces of the array, one of them empty.
  private static func withPieces<Result>(
    _ values: inout [Float], _ body: (inout [UnsafeMutableBufferPointer<Float>]) throws -> Result
  ) rethrows -> Result {
    try values.withUnsafeMutableBufferPointer { values in
      var pieces = [0..<7, 7..<7, 7..<50].map { UnsafeMutableBufferPointer(rebasing: values[$0]) }
      return try body(&pieces)
    }
  }

  /// Takes nine steps with gradients of every kind, nine that zero them, and sums up before each.
  private static func train<Parameters: MutableVector & ~Copyable & ~Escapable>(
    _ optimizer: Optimizer, _ x: inout Parameters
  ) throws {
    var g = gradients(1)
    try optimizer.accumulate(g)
    try optimizer.step(&x, gradients: g)
    let contiguous = ContiguousArray(gradients(2))
    try optimizer.accumulate(contiguous)
    try optimizer.step(&x, gradients: contiguous)
    g = gradients(3)
    try optimizer.accumulate(g.span)
    try optimizer.step(&x, gradients: g.span)
    g = gradients(4)
    try optimizer.accumulate(g.mutableSpan)
    try optimizer.step(&x, gradients: g.mutableSpan)
    try gradients(5).withUnsafeBufferPointer {
      try optimizer.accumulate($0)
      try optimizer.step(&x, gradients: $0)
    }
    g = gradients(6)
    try withPieces(&g) {
      try optimizer.accumulate($0)
      try optimizer.step(&x, gradients: $0)
      try optimizer.accumulate($0.map { UnsafeBufferPointer($0) })
      try optimizer.step(&x, gradients: ContiguousArray($0.map { UnsafeBufferPointer($0) }))
    }
    try optimizer.accumulate(Model(values: gradients(7)))
    try optimizer.step(&x, gradients: Model(values: gradients(7)))
    try optimizer.accumulate(Wrapper(values: gradients(8)))
    try optimizer.step(&x, gradients: Wrapper(values: gradients(8)))
  }

  private static func trainZeroing<Parameters: MutableVector & ~Copyable & ~Escapable>(
    _ optimizer: Optimizer, _ x: inout Parameters
  ) throws {
    let zeros = [Float](repeating: 0, count: count)
    func twice<Gradients: MutableVector & ~Copyable & ~Escapable>(
      _ g: inout Gradients, _ x: inout Parameters
    ) throws {
      try optimizer.accumulate(zeroing: &g)
      try optimizer.step(&x, zeroing: &g)
    }
    var g = gradients(1)
    try twice(&g, &x)
    #expect(g == zeros)
    var contiguous = ContiguousArray(gradients(2))
    try twice(&contiguous, &x)
    #expect(Array(contiguous) == zeros)
    g = gradients(3)
    do {
      var span = g.mutableSpan
      try twice(&span, &x)
    }
    #expect(g == zeros)
    g = gradients(4)
    try g.withUnsafeMutableBufferPointer { try twice(&$0, &x) }
    #expect(g == zeros)
    g = gradients(5)
    try withPieces(&g) { try twice(&$0, &x) }
    #expect(g == zeros)
    var model = Model(values: gradients(6))
    try twice(&model, &x)
    #expect(model.values == zeros)
    var wrapper = Wrapper(values: gradients(7))
    try twice(&wrapper, &x)
    #expect(wrapper.values == zeros)
  }

  /// The same by arrays alone.
  private static func expected(_ optimizer: Optimizer, zeroing: Bool) throws -> [Float] {
    var x = pinned.parameters
    for step in zeroing ? [1, 2, 3, 4, 5, 6, 7] : [1, 2, 3, 4, 5, 6, 6, 7, 8] {
      let g = gradients(step)
      try optimizer.accumulate(g)
      try optimizer.step(
        &x, gradients: zeroing ? [Float](repeating: 0, count: count) : g)
    }
    return x
  }

  @Test("parameters and gradients may be vectors of any two kinds", arguments: [false, true])
  func kinds(zeroing: Bool) throws {
    for choice in try TestEngines.choices() {
      let expected = try Self.expected(Self.optimizer(on: choice), zeroing: zeroing)
      func check(_ what: String, _ body: (Optimizer, inout [Float]) throws -> Void) throws {
        let optimizer = try Self.optimizer(on: choice)
        var x = Self.pinned.parameters
        try body(optimizer, &x)
        #expect(bits(x) == bits(expected), "\(what) on \(optimizer.engineName)")
      }
      func train<Parameters: MutableVector & ~Copyable & ~Escapable>(
        _ optimizer: Optimizer, _ x: inout Parameters
      ) throws {
        if zeroing {
          try Self.trainZeroing(optimizer, &x)
        } else {
          try Self.train(optimizer, &x)
        }
      }
      try check("array") { try train($0, &$1) }
      try check("contiguous array") { optimizer, x in
        var contiguous = ContiguousArray(x)
        try train(optimizer, &contiguous)
        x = Array(contiguous)
      }
      try check("span") { optimizer, x in
        var span = x.mutableSpan
        try train(optimizer, &span)
      }
      try check("buffer") { optimizer, x in
        try x.withUnsafeMutableBufferPointer { try train(optimizer, &$0) }
      }
      try check("pieces") { optimizer, x in
        try Self.withPieces(&x) { try train(optimizer, &$0) }
      }
      try check("contiguous array of pieces") { optimizer, x in
        try Self.withPieces(&x) {
          var pieces = ContiguousArray($0)
          try train(optimizer, &pieces)
        }
      }
      try check("model") { optimizer, x in
        var model = Model(values: x)
        try train(optimizer, &model)
        x = model.values
      }
      try check("wrapper") { optimizer, x in
        var wrapper = Wrapper(values: x)
        try train(optimizer, &wrapper)
        x = wrapper.values
      }
    }
  }

  @Test("views are passed by value")
  func views() throws {
    var expected = Self.pinned.parameters
    let other = try Self.optimizer(on: .cpu)
    for step in 1...6 { try other.step(&expected, gradients: Self.gradients(step)) }
    var summed = Self.gradients(7)
    try other.accumulate(zeroing: &summed)
    try other.step(&expected, gradients: summed)

    let optimizer = try Self.optimizer(on: .cpu)
    var x = Self.pinned.parameters
    var g = Self.gradients(1)
    try optimizer.step(x.mutableSpan, gradients: g.span)
    g = Self.gradients(2)
    try optimizer.step(x.mutableSpan, zeroing: g.mutableSpan)
    #expect(g.allSatisfy { $0 == 0 })
    g = Self.gradients(3)
    try x.withUnsafeMutableBufferPointer { x in
      try g.withUnsafeMutableBufferPointer { g in try optimizer.step(x, zeroing: g) }
    }
    #expect(g.allSatisfy { $0 == 0 })
    g = Self.gradients(4)
    try Self.withPieces(&x) { x in
      try Self.withPieces(&g) { try optimizer.step(x, zeroing: $0) }
    }
    #expect(g.allSatisfy { $0 == 0 })
    let shared = SharedModel(x)
    try optimizer.step(shared, gradients: Self.gradients(5))
    let gradients = SharedModel(Self.gradients(6))
    try optimizer.step(shared, zeroing: gradients)
    #expect(gradients.values.allSatisfy { $0 == 0 })
    g = Self.gradients(7)
    try optimizer.accumulate(zeroing: g.mutableSpan)
    #expect(g.allSatisfy { $0 == 0 })
    try optimizer.step(shared, gradients: g)
    #expect(bits(shared.values) == bits(expected))
  }

  @Test("the rule alone takes every kind of vector, each cut in its own way")
  func stateless() throws {
    let (rule, zeros) = (Adam(), [Float](repeating: 0, count: Self.count))
    let start = Self.pinned.parameters
    var (expected, expectedStates, expectedDeltas) = (start, [zeros, zeros], zeros)
    let g = Self.gradients(1)
    try rule.delta(
      start, gradients: g, states: &expectedStates, into: &expectedDeltas, step: 1)
    expectedStates = [zeros, zeros]
    try rule.update(&expected, gradients: g, states: &expectedStates, step: 1)

    var (x, own, deltas) = (start, g, zeros)
    var (m, v) = (zeros, zeros)
    func cut<Result>(
      _ values: inout [Float], _ ends: [Int],
      _ body: ([UnsafeMutableBufferPointer<Float>]) throws -> Result
    ) rethrows -> Result {
      try values.withUnsafeMutableBufferPointer { values in
        try body(
          zip([0] + ends, ends + [Self.count]).map {
            UnsafeMutableBufferPointer(rebasing: values[$0..<$1])
          })
      }
    }
    try cut(&own, [30, 31]) { own in
      try cut(&m, [0, 13]) { m in
        try cut(&v, []) { v in
          try cut(&deltas, [49]) { deltas in
            try rule.delta(
              parameters: x.span, gradients: own, states: [m, v], into: deltas, step: 1)
          }
        }
      }
    }
    #expect(bits(deltas) == bits(expectedDeltas) && x == start)
    #expect(bits(m) == bits(expectedStates[0]) && bits(v) == bits(expectedStates[1]))
    (m, v) = (zeros, zeros)
    try cut(&x, [7, 30, 48]) { x in
      try cut(&m, [0, 13]) { m in
        try cut(&v, []) { v in
          try rule.update(parameters: x, gradients: g.span, states: [m, v], step: 1)
        }
      }
    }
    #expect(bits(x) == bits(expected))
    #expect(bits(m) == bits(expectedStates[0]) && bits(v) == bits(expectedStates[1]))

    var model = Model(values: start)
    var states = [zeros, zeros].map { ContiguousArray($0) }
    try rule.update(&model, gradients: Model(values: g), states: &states, step: 1)
    #expect(bits(model.values) == bits(expected))
    #expect(states.map { bits(Array($0)) } == expectedStates.map(bits))
    let error = DescentError.count(of: "state \"v\"", given: 1, expected: Self.count)
    states[1] = [0]
    #expect(throws: error) {
      try rule.update(&model, gradients: g, states: &states, step: 2)
    }
    #expect(bits(model.values) == bits(expected) && states[1] == [0])
  }

  @Test("the average is written into every kind of vector, and not between tensors")
  func average() throws {
    var layout = ParameterLayout()
    try layout.append("parameters", shape: [Self.count])
    try layout.append("late", shape: [2], at: Self.count + 3)
    let optimizer = try Optimizer(SGD(), layout: layout, on: .cpu)
    optimizer.averaging = ParameterAverage(decay: 0.5)
    var x = Self.pinned.parameters + [9, 9, 9, 1, 2]
    #expect(throws: DescentError.noAverage(isKept: true)) { try optimizer.writeAverage(into: &x) }
    try optimizer.step(&x, gradients: [Float](repeating: 1, count: layout.count))
    var expected = try optimizer.average()
    expected.replaceSubrange(Self.count..<Self.count + 3, with: [7, 7, 7])
    var copy = [Float](repeating: 7, count: layout.count)
    try optimizer.writeAverage(into: &copy)
    #expect(copy == expected)
    copy = [Float](repeating: 7, count: layout.count)
    try copy.withUnsafeMutableBufferPointer { copy in
      var pieces = [0..<20, 20..<52, 52..<55].map {
        UnsafeMutableBufferPointer(rebasing: copy[$0])
      }
      try optimizer.writeAverage(into: &pieces)
    }
    #expect(copy == expected)
    var short: [Float] = [1]
    let error = DescentError.count(of: "parameters", given: 1, expected: layout.count)
    #expect(throws: error) { try optimizer.writeAverage(into: &short) }
    #expect(short == [1])
  }

  @Test("Nesterov's iterate is written into every kind of vector")
  func iterate() throws {
    let optimizer = try Optimizer(
      Nesterov(learningRate: 0.1), layout: ParameterLayout(count: Self.count), on: .cpu)
    var x = Self.pinned.parameters
    try optimizer.step(&x, gradients: Self.gradients(1))
    var expected = x
    try optimizer.writeIterate(from: x, into: &expected)
    #expect(expected != x)

    var model = Model(values: [Float](repeating: 0, count: Self.count))
    try Self.withPieces(&x) { try optimizer.writeIterate(from: $0, into: &model) }
    #expect(bits(model.values) == bits(expected))
    var pieces = [Float](repeating: 0, count: Self.count)
    try Self.withPieces(&pieces) { try optimizer.writeIterate(from: Model(values: x), into: &$0) }
    #expect(bits(pieces) == bits(expected))
    x.withUnsafeMutableBufferPointer { x in
      let before = Array(x)
      #expect(throws: DescentError.overlap) { try optimizer.writeIterate(from: x, into: &x) }
      #expect(Array(x) == before)
    }
    var short: [Float] = [1]
    let error = DescentError.count(of: "parameters", given: 1, expected: Self.count)
    #expect(throws: error) { try optimizer.settle(&short) }
    try Self.withPieces(&x) { try optimizer.settle(&$0) }
    #expect(bits(x) == bits(expected))
    #expect(throws: DescentError.settled) { try optimizer.step(&x, gradients: x) }
  }

  @Test("parts of a file are loaded into every kind of vector")
  func parts() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let optimizer = try Self.optimizer(on: .cpu)
      var x = Self.pinned.parameters
      try optimizer.step(&x, gradients: Self.gradients(1))
      try optimizer.save(to: path, parameters: x.span)

      func check(_ what: String, _ values: [Float], _ twin: Optimizer? = nil) throws {
        #expect(bits(values) == bits(x), "\(what)")
        if let twin { #expect(try twin.states() == optimizer.states(), "\(what)") }
      }
      let zeros = [Float](repeating: 0, count: Self.count)
      var (twin, found) = (try Self.optimizer(on: .cpu), zeros)
      try Self.withPieces(&found) {
        _ = try twin.load(from: path, parameters: &$0) { _ in true }
      }
      try check("pieces", found, twin)
      var model = Model(values: zeros)
      twin = try Self.optimizer(on: .cpu)
      let report = try twin.load(from: path, parameters: &model, tensors: ["parameters"])
      #expect(report.loaded == ["parameters"] && report.kept.isEmpty)
      try check("model", model.values, twin)
      twin = try Self.optimizer(on: .cpu)
      found = zeros
      do {
        var span = found.mutableSpan
        try twin.load(from: Checkpoint(path), parameters: &span)
      }
      try check("span", found, twin)
      twin = try Self.optimizer(on: .cpu)
      try twin.load(from: path, tensors: ["parameters"])
      try check("states alone", x, twin)

      let checkpoint = try Checkpoint(path)
      model = Model(values: zeros)
      try checkpoint.readParameters(into: &model, layout: optimizer.layout)
      try check("readParameters into a model", model.values)
      found = zeros
      try Self.withPieces(&found) {
        _ = try checkpoint.readParameters(into: &$0, layout: optimizer.layout, converting: true)
      }
      try check("readParameters into pieces", found)
    }
  }

  #if OpenCL
  @Test("device memory may be buffers, slices and arrays of both", .needsDevice)
  func deviceVectors() throws {
    for queue in try TestDevices.queues.get() {
      let other = try Self.optimizer(on: .cpu)
      let optimizer = try Self.optimizer(on: .openCL(queue))
      var expected = Self.pinned.parameters
      for step in 1...4 { try other.step(&expected, gradients: Self.gradients(step)) }
      let context = queue.context
      func buffer(_ values: some Sequence<Float>) throws -> Buffer<Float> {
        try Buffer(context, copying: Array(values))
      }
      let (x, g) = (try buffer(Self.pinned.parameters), try buffer(Self.gradients(1)))
      try optimizer.enqueueStep(x, gradients: g.whole)
      let (first, second) = (Self.gradients(2)[..<20], Self.gradients(2)[20...])
      try optimizer.enqueueStep(x.whole, gradients: [buffer(first), buffer(second)])
      try optimizer.enqueueStep(
        [x.slice(0..<7), x.slice(7..<Self.count)], gradients: buffer(Self.gradients(3)))
      try optimizer.enqueueAccumulate([buffer(Self.gradients(4).map { _ in 0 })])
      try optimizer.enqueueStep([x], gradients: buffer(Self.gradients(4)))
      #expect(bits(try x.read(on: queue)) == bits(expected), "\(optimizer.engineName)")
    }
  }
  #endif
}
