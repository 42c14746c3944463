import DescentTestSupport
import Testing

@testable import Descent

/// Models of every kind of memory that a visitor takes.
private struct Dense: ParameterVisitable, Equatable {
  let inputs: Int
  let outputs: Int
  var weight: [Float]
  var bias: [Float]

  init(_ inputs: Int, _ outputs: Int, _ value: (Int) -> Float) {
    (self.inputs, self.outputs) = (inputs, outputs)
    weight = (0..<inputs * outputs).map(value)
    bias = (0..<outputs).map { value($0 + 7) }
  }

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("weight", &weight, shape: [outputs, inputs])
    visitor.visit("bias", &bias)
  }

  var flat: [Float] { weight + bias }
}

private struct Network: ParameterVisitable, Equatable {
  var embedding: Dense
  var layers: [Dense]
  var head: Dense?
  var scale: Float

  init(_ value: (Int) -> Float) {
    embedding = Dense(70, 300, value)
    layers = [Dense(3, 5, value), Dense(5, 0, value), Dense(0, 2, value)]
    scale = value(3)
  }

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("embedding", &embedding)
    visitor.visit("layers", &layers)
    visitor.visit("head", &head)
    visitor.visit("scale", &scale)
  }

  var flat: [Float] {
    embedding.flat + layers.flatMap(\.flat) + (head?.flat ?? []) + [scale]
  }
}

/// Hands over memory of its own, spans and other collections.
private final class Mixed: ParameterVisitable {
  let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 6)
  var few: InlineArray<3, Float> = [0, 0, 0]
  var others: ContiguousArray<Float> = [0, 0, 0, 0]
  var array: [Float] = [0, 0]

  init(_ value: (Int) -> Float) {
    _ = memory.initialize(from: (0..<6).map(value))
    for index in 0..<3 { few[index] = value(index + 6) }
    for index in 0..<4 { others[index] = value(index + 9) }
    for index in 0..<2 { array[index] = value(index + 13) }
  }

  deinit { memory.deallocate() }

  func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("memory", memory, shape: [3, 2])
    visitor.visit("few", few.mutableSpan)
    visitor.visit("others", &others, shape: [2, 2])
    visitor.visit("array", &array)
  }

  var flat: [Float] { memory + few.indices.map { few[$0] } + others + array }
}

/// What it hands over is up to a closure.
private struct Custom: ParameterVisitable {
  var a: [Float] = [1, 2]
  var b: [Float] = [3, 4, 5]
  var count = 0
  var body: (inout Custom, inout ParameterVisitor) -> Void

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    count += 1
    let body = body
    body(&self, &visitor)
  }
}

/// A tensor for each array.
private struct Many: ParameterVisitable {
  var arrays: [[Float]]

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    for index in arrays.indices { visitor.visit("\(index)", &arrays[index]) }
  }
}

/// Hands over one number, span or array twice.
private struct Tied: ParameterVisitable {
  var number: Float = 3
  var few: InlineArray<2, Float> = [1, 2]
  var arrays = Many(arrays: (0..<2 * TensorLoan.mostArrays).map { [Float($0)] })
  let what: String

  init(_ what: String) { self.what = what }

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    switch what {
    case "number":
      visitor.visit("0", &number)
      visitor.visit("1", &number)
    case "span":
      visitor.visit("0", few.mutableSpan)
      visitor.visit("1", few.mutableSpan)
    default:
      arrays.visitParameters(&visitor)
      visitor.visit("twice", &arrays.arrays[arrays.arrays.count - 1])
    }
  }
}

@Suite struct VisitorTests {
  private static func value(_ index: Int) -> Float { Float(index % 101) * 0.01 - 0.4 }
  private static func slope(_ index: Int) -> Float { Float(index % 13) * 0.1 - 0.5 }

  @Test("a model takes the average of its parameters, and keeps all it had where there is none")
  func average() throws {
    var model = Network(Self.value)
    let layout = try ParameterLayout(of: model)
    let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout, on: .cpu)
    var copy = model
    #expect(throws: DescentError.self) { try optimizer.writeAverage(into: &copy) }
    #expect(copy == model)
    optimizer.averaging = ParameterAverage(decay: 0.5)
    let gradients = Network(Self.slope)
    for _ in 0..<3 { try optimizer.step(&model, gradients: gradients) }
    let before = model
    try optimizer.writeAverage(into: &copy)
    let average = try optimizer.average()
    #expect(copy.flat == optimizer.layout.tensors.flatMap { average[$0.range] })
    #expect(copy.flat != model.flat && model == before)
  }

  @Test("a layout has a model's tensors by path, in the order of the visit")
  func layout() throws {
    let layout = try ParameterLayout(of: Network(Self.value))
    #expect(
      layout.tensors.map(\.name) == [
        "embedding.weight", "embedding.bias", "layers.0.weight", "layers.0.bias",
        "layers.1.weight", "layers.1.bias", "layers.2.weight", "layers.2.bias", "scale",
      ])
    #expect(layout["layers.0.weight"]?.shape == [5, 3])
    #expect(layout["layers.1.weight"]?.shape == [0, 5])
    #expect(layout["scale"]?.shape == [])
    #expect(layout.count == Network(Self.value).flat.count)
    var network = Network(Self.value)
    network.head = Dense(2, 2, Self.value)
    #expect(try ParameterLayout(of: network)["head.bias"]?.count == 2)
  }

  @Test("a layout refuses a name twice, and a shape of another size")
  func wrongLayouts() {
    let twice = Custom {
      $1.visit("a", &$0.a)
      $1.visit("a", &$0.b)
    }
    #expect(
      message { _ = try ParameterLayout(of: twice) } == "tensor \"a\": the name is taken")
    let other = Custom { $1.visit("a", &$0.a, shape: [3]) }
    #expect(
      message { _ = try ParameterLayout(of: other) }
        == "tensor \"a\": the shape [3] is of 3 elements, and it has 2")
  }

  @Test("a step over a model leaves the bits of a step over a flat vector, on every engine")
  func sameBits() throws {
    for choice in try TestEngines.choices() {
      let layout = try ParameterLayout(of: Network(Self.value))
      let optimizer = try Optimizer(AdamW(learningRate: 0.01), layout: layout, on: choice)
      let other = try Optimizer(AdamW(learningRate: 0.01), layout: layout, on: choice)
      for each in [optimizer, other] {
        each.clipping = .globalNorm(1)
        try each.setLossScale(LossScale(scale: 8))
      }
      var model = Network(Self.value)
      var flat = model.flat
      for step in 0..<4 {
        let gradients = Network { Self.slope($0 + step) }
        try optimizer.step(&model, gradients: gradients, gradientScale: 2)
        try other.step(&flat, gradients: gradients.flat, gradientScale: 2)
        #expect(gradients == Network { Self.slope($0 + step) })
      }
      #expect(model.flat == flat && model.flat != Network(Self.value).flat)
      #expect(try optimizer.states() == other.states())
      #expect(try optimizer.stepCount == 4)
    }
  }

  @Test("gradients are zeroed where they lie, also behind a skipped step")
  func zeroing() throws {
    for choice in try TestEngines.choices() {
      var model = Network(Self.value)
      var flat = model.flat
      let layout = try ParameterLayout(of: model)
      let optimizer = try Optimizer(Adam(learningRate: 0.01), layout: layout, on: choice)
      let other = try Optimizer(Adam(learningRate: 0.01), layout: layout, on: choice)
      var gradients = Network(Self.slope)
      try other.step(&flat, gradients: gradients.flat)
      try optimizer.step(&model, zeroing: &gradients)
      #expect(model.flat == flat)
      #expect(gradients == Network { _ in 0 })
      optimizer.skipsNonFinite = true
      gradients.scale = .infinity
      try optimizer.step(&model, zeroing: &gradients)
      #expect(try model.flat == flat && optimizer.skippedStepCount == 1)
      #expect(gradients == Network { _ in 0 })
    }
  }

  @Test("memory, spans and other collections are taken beside arrays, also with gaps in the layout")
  func mixed() throws {
    for alignment in [4, 64] {
      var model = Mixed(Self.value)
      let layout = try ParameterLayout(of: model, alignment: alignment)
      #expect(layout.tensors.map(\.shape) == [[3, 2], [3], [2, 2], [2]])
      #expect(layout.tensors[1].range.lowerBound == (alignment == 4 ? 6 : 16))
      let optimizer = try Optimizer(Momentum(learningRate: 0.1), layout: layout)
      let other = try Optimizer(Momentum(learningRate: 0.1), layout: ParameterLayout(count: 15))
      var gradients = Mixed(Self.slope)
      var flat = model.flat
      for _ in 1...2 {
        try other.step(&flat, gradients: gradients.flat)
        try optimizer.step(&model, gradients: gradients)
      }
      #expect(model.flat == flat && gradients.flat == Mixed(Self.slope).flat)
      try optimizer.step(&model, zeroing: &gradients)
      #expect(gradients.flat == [Float](repeating: 0, count: 15))
    }
  }

  @Test("an array that nobody else holds is updated where it lies")
  func inPlace() throws {
    var model = Dense(40, 50, Self.value)
    let before = model.weight.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) }
    let optimizer = try Optimizer(SGD(learningRate: 0.1), layout: ParameterLayout(of: model))
    try optimizer.step(&model, gradients: Dense(40, 50, Self.slope))
    #expect(before == model.weight.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) })
    let copy = model
    try optimizer.step(&model, gradients: model)
    #expect(copy != model)
    var expected = copy.flat
    let other = try Optimizer(SGD(learningRate: 0.1), layout: ParameterLayout(count: 2050))
    try other.step(&expected, gradients: expected)
    #expect(model.flat == expected)
  }

  @Test("more arrays than may be lent at once")
  func many() throws {
    let arrays = (0..<3 * TensorLoan.mostArrays).map { index in
      (0..<index % 5).map { Self.value(index + $0) }
    }
    var model = Many(arrays: arrays)
    let layout = try ParameterLayout(of: model)
    var gradients = Many(arrays: arrays.map { $0.map { $0 * 3 } })
    let optimizer = try Optimizer(Adam(learningRate: 0.1), layout: layout)
    let other = try Optimizer(Adam(learningRate: 0.1), layout: layout)
    var flat = arrays.flatMap { $0 }
    try other.step(&flat, gradients: gradients.arrays.flatMap { $0 })
    try optimizer.step(&model, zeroing: &gradients)
    #expect(model.arrays.flatMap { $0 } == flat)
    #expect(gradients.arrays.allSatisfy { $0.allSatisfy { $0 == 0 } })
  }

  @Test("a model that is not the layout's is refused by the tensor's name, and has all that it had")
  func mismatches() throws {
    let right = Custom {
      $1.visit("a", &$0.a)
      $1.visit("b", &$0.b)
    }
    let layout = try ParameterLayout(of: right)
    let wrong: [(Custom, String)] = [
      (
        Custom {
          $1.visit("a", &$0.a)
          $1.visit("c", &$0.b)
        },
        "tensor \"b\": the gradients have \"c\" in its place"
      ),
      (
        Custom {
          $1.visit("a", &$0.a)
          $1.visit("b", &$0.b, shape: [1, 3])
        },
        "tensor \"b\": the gradients have the shape [1, 3]; the layout has [3]"
      ),
      (
        Custom {
          $1.visit("a", &$0.a)
          $1.visit("b", &$0.a, shape: [3])
        },
        "tensor \"b\": the gradients have another tensor's memory for it; tied tensors are handed over once"
      ),
      (
        Custom {
          $1.visit("a", &$0.b, shape: [2])
          $1.visit("b", &$0.a)
        },
        "tensor \"a\": the gradients have 3 elements; the layout has 2"
      ),
      (
        Custom(b: []) {
          $1.visit("a", &$0.a)
          $1.visit("b", &$0.b)
        },
        "tensor \"b\": the gradients are empty; leftOut names tensors without a gradient"
      ),
      (
        Custom { $1.visit("a", &$0.a) },
        "tensor \"b\": the gradients do not have it: they end after 1 tensors"
      ),
      (
        Custom { custom, visitor in
          visitor.visit("a", &custom.a)
          visitor.visit("b", &custom.b)
          visitor.visit("d", &custom.b)
        }, "tensor \"d\": the gradients are more than the layout's 2 tensors"
      ),
    ]
    for (gradients, expected) in wrong {
      let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout)
      let b = gradients.b
      var (model, gradients) = (right, gradients)
      #expect(message { try optimizer.step(&model, zeroing: &gradients) } == expected)
      let parameters = expected.replacing("; leftOut names tensors without a gradient", with: "")
        .replacing("gradients", with: "parameters")
      #expect(message { try optimizer.step(&gradients, gradients: model) } == parameters)
      #expect(gradients.a == [1, 2] && gradients.b == b && gradients.count <= 4)
      #expect(try model.a == [1, 2] && model.b == [3, 4, 5] && optimizer.stepCount == 0)
    }
  }

  @Test("a tensor that is left out need have no gradient")
  func leftOut() throws {
    for choice in try TestEngines.choices() {
      var model = Network(Self.value)
      let layout = try ParameterLayout(of: model)
      let optimizer = try Optimizer(Adam(learningRate: 0.01), layout: layout, on: choice)
      var gradients = Network(Self.slope)
      gradients.layers[0].weight = []
      #expect(
        message { try optimizer.step(&model, gradients: gradients) }
          .hasPrefix("tensor \"layers.0.weight\": the gradients are empty"))
      optimizer.leftOut = ["layers.0.weight"]
      let other = try Optimizer(Adam(learningRate: 0.01), layout: layout, on: choice)
      other.leftOut = optimizer.leftOut
      var flat = model.flat
      try other.step(&flat, gradients: Network(Self.slope).flat)
      try optimizer.step(&model, gradients: gradients)
      #expect(model.flat == flat && model.layers[0].weight == Network(Self.value).layers[0].weight)
      try optimizer.step(&model, zeroing: &gradients)
      #expect(gradients.layers[0].weight == [] && gradients.embedding.weight.allSatisfy { $0 == 0 })
      try optimizer.accumulate(gradients)
      gradients.scale = 1
      try optimizer.accumulate(zeroing: &gradients)
      #expect(gradients.layers[0].weight == [] && gradients.scale == 0)
      #expect(optimizer.accumulatedCount == 2)
    }
  }

  @Test("what is handed over twice is refused before the step, whatever memory it is")
  func tied() throws {
    for (what, second) in [("number", "1"), ("span", "1"), ("short arrays", "twice")] {
      let (original, gradients) = (Tied(what), Tied(what))
      var model = original
      let optimizer = try Optimizer(
        SGD(learningRate: 1), layout: ParameterLayout(of: model), on: .cpu)
      #expect(
        message { try optimizer.step(&model, gradients: gradients) }
          == "tensor \"\(second)\": the parameters have another tensor's memory for it; tied "
          + "tensors are handed over once")
      #expect(model.number == 3 && model.few[0] == 1 && model.few[1] == 2)
      #expect(try model.arrays.arrays == Tied(what).arrays.arrays && optimizer.stepCount == 0)
    }
    // Computed numbers use one address one after another, and are not tied.
    struct WorkedOut: ParameterVisitable {
      var numbers: [Float]
      subscript(index: Int) -> Float {
        get { numbers[index] }
        set { numbers[index] = newValue }
      }
      mutating func visitParameters(_ visitor: inout ParameterVisitor) {
        for index in numbers.indices { visitor.visit("\(index)", &self[index]) }
      }
    }
    var model = WorkedOut(numbers: [1, Float(1).nextUp, 2, 0])
    let optimizer = try Optimizer(
      SGD(learningRate: 1), layout: ParameterLayout(of: model), on: .cpu)
    try optimizer.step(&model, gradients: WorkedOut(numbers: [1, 2, 3, 4]))
    #expect(model.numbers == [0, Float(1).nextUp - 2, -1, -4])
  }

  @Test(
    "a model may ask for less, or otherwise, while its tensors are out, and has all of them back")
  func changing() throws {
    let steady = Custom {
      $1.visit("a", &$0.a)
      $1.visit("b", &$0.b)
    }
    let models = [
      // An empty array represents a missing tensor.
      Custom {
        if !$0.a.isEmpty { $1.visit("a", &$0.a) }
        if !$0.b.isEmpty { $1.visit("b", &$0.b) }
      },
      // One that hangs on another's size comes in a visit of its own.
      Custom {
        if $0.b.count == 3 { $1.visit("a", &$0.a) }
        $1.visit("b", &$0.b)
      },
      // Another order, and strangers.
      Custom { custom, visitor in
        if custom.count == 3 {
          visitor.visit("b", &custom.b)
          visitor.visit("c", &custom.b)
        }
        visitor.visit("a", &custom.a)
        if custom.count != 3 { visitor.visit("b", &custom.b) }
      },
    ]
    for model in models {
      var model = model
      let layout = try ParameterLayout(of: model)
      model.count = 1
      let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout, on: .cpu)
      try optimizer.step(&model, gradients: steady)
      #expect(model.a == [0, 0] && model.b == [0, 0, 0])
    }
  }

  @Test("a visit that does not give back what it lent is told of")
  func inconstant() throws {
    var model = Custom { custom, visitor in
      if custom.count == 2 { return }
      visitor.visit("a", &custom.a)
    }
    var layout = ParameterLayout()
    try layout.append("a", shape: [2])
    let optimizer = try Optimizer(SGD(learningRate: 1), layout: layout)
    let gradients = Custom { $1.visit("a", &$0.a) }
    #expect(
      message { try optimizer.step(&model, gradients: gradients) }
        == "tensor \"a\": the parameters were not visited for it again, to give it back")
  }

  @Test("a refused step gives everything back")
  func refused() throws {
    var model = Network(Self.value)
    let optimizer = try Optimizer(SGD(), layout: ParameterLayout(of: model))
    optimizer.setLearningRate(-1)
    var gradients = Network(Self.slope)
    #expect(message { try optimizer.step(&model, zeroing: &gradients) }.hasPrefix("sgd: "))
    #expect(model == Network(Self.value) && gradients == Network(Self.slope))
  }

  @Test("tensors can be looked at and changed one by one")
  func each() throws {
    var model = Network(Self.value)
    var seen: [String] = []
    try model.forEachParameter { name, shape, elements in
      seen.append("\(name) \(shape) \(elements.count)")
      elements.update(repeating: 1)
    }
    #expect(seen.first == "embedding.weight [300, 70] 21000" && seen.last == "scale [] 1")
    #expect(model == Network { _ in 1 })
    var count = 0
    #expect(throws: DescentError.settled) {
      try model.forEachParameter { _, _, _ in
        count += 1
        throw DescentError.settled
      }
    }
    #expect(count == 1)
  }

  @Test("Nesterov's iterate settles a model as it does a vector")
  func settles() throws {
    var model = Network(Self.value)
    var flat = model.flat
    let layout = try ParameterLayout(of: model)
    let optimizer = try Optimizer(Nesterov(learningRate: 0.1), layout: layout)
    let other = try Optimizer(Nesterov(learningRate: 0.1), layout: layout)
    try optimizer.step(&model, gradients: Network(Self.slope))
    try other.step(&flat, gradients: Network(Self.slope).flat)
    try optimizer.settle(&model)
    try other.settle(&flat)
    #expect(model.flat == flat)
  }
}
