import Descent

let count = 64

// snippet.flat
// Parameters, gradients and both moments in one allocation, as in llm.c.
let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 4 * count)
memory.initialize(repeating: 0)
defer { memory.deallocate() }
let regions = (0..<4).map {
  UnsafeMutableBufferPointer(rebasing: memory[$0 * count..<($0 + 1) * count])
}
let (parameters, gradients, m, v) = (regions[0], regions[1], regions[2], regions[3])

let rule = AdamW(learningRate: 3e-4, weightDecay: 0.1)
for step in 1...3 {
  // … forward and backward …
  try rule.update(
    parameters: parameters, gradients: UnsafeBufferPointer(gradients), states: [m, v], step: step)
}
// snippet.end

// snippet.flatOptimizer
let optimizer = try Optimizer(rule, layout: ParameterLayout(count: count))
optimizer.clipping = .globalNorm(1)
try optimizer.step(parameters, zeroing: gradients)
// snippet.end

// snippet.pieces
// Two tensors in memory of their own, as one vector and in one pass.
let (weight, bias) = (regions[0], regions[1])
let weightGradient = UnsafeBufferPointer(regions[2])
let biasGradient = UnsafeBufferPointer(regions[3])
var layout = ParameterLayout()
try layout.append("weight", shape: [8, 8])
try layout.append("bias", shape: [64])
let pieces = try Optimizer(rule, layout: layout)
try pieces.step([weight, bias], gradients: [weightGradient, biasGradient])
// snippet.end

// snippet.visitor
struct Dense: ParameterVisitable {
  let inputs, outputs: Int
  var weight: [Float]
  var bias: [Float]

  init(_ inputs: Int, _ outputs: Int) {
    (self.inputs, self.outputs) = (inputs, outputs)
    weight = Array(repeating: 0.1, count: inputs * outputs)
    bias = Array(repeating: 0, count: outputs)
  }

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("weight", &weight, shape: [outputs, inputs])
    visitor.visit("bias", &bias)
  }
}

struct Model: ParameterVisitable {
  var layers = [Dense(4, 8), Dense(8, 1)]

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("layers", &layers)  // layers.0.weight, layers.0.bias, layers.1.weight, …
  }
}

var model = Model()
let gradient = Model()  // of the model's type, or of any other that hands over the same tensors
let trainer = try Optimizer(Adam(), layout: ParameterLayout(of: model))
try trainer.step(&model, gradients: gradient)
// snippet.end

// snippet.single
/// Updates one array at a time, and keeps each array's moments and step count beside it.
struct SingleArrays<Rule: UpdateRule> {
  struct State {
    var step = 0
    var moments: [[Float]]
  }

  var rule: Rule

  func newState(count: Int) -> State {
    State(
      moments: rule.stateNames.map {
        Array(repeating: Float(rule.initialValue(ofState: $0)), count: count)
      })
  }

  func applySingle(gradient: [Float], parameter: inout [Float], state: inout State) throws {
    try rule.update(
      &parameter, gradients: gradient, states: &state.moments, step: state.step + 1)
    state.step += 1
  }
}
// snippet.end
let single = SingleArrays(rule: Adam())
var (array, state) = ([Float](repeating: 1, count: 4), single.newState(count: 4))
try single.applySingle(gradient: [1, 2, 3, 4], parameter: &array, state: &state)

// snippet.moments
/// adamW(parameter, gradient, moment1, moment2, step): a function without a state of its own.
func adamW(
  _ parameter: UnsafeMutableBufferPointer<Float>, _ gradient: UnsafeBufferPointer<Float>,
  _ moment1: UnsafeMutableBufferPointer<Float>, _ moment2: UnsafeMutableBufferPointer<Float>,
  learningRate: Double, weightDecay: Double, step: Int
) throws {
  try AdamW(learningRate: learningRate, weightDecay: weightDecay).update(
    parameters: parameter, gradients: gradient, states: [moment1, moment2], step: step)
}
// snippet.end
try adamW(
  parameters, UnsafeBufferPointer(gradients), m, v, learningRate: 1e-3, weightDecay: 0.1, step: 4)
