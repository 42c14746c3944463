// Runs the adapters, and compares what they leave with Descent's own bits.
import Adapters
import Descent
import Digits
import _Differentiation

struct Line: Differentiable, ParameterVisitable {
  var slope: [Float] = [0, 0, 0]
  var offset: [Float] = [1]

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("slope", &slope)
    visitor.visit("offset", &offset)
  }

  struct TangentVector: Differentiable, AdditiveArithmetic, ParameterVisitable {
    var slope: Array<Float>.TangentVector
    var offset: Array<Float>.TangentVector

    mutating func visitParameters(_ visitor: inout ParameterVisitor) {
      visitor.visit("slope", &slope.base)
      visitor.visit("offset", &offset.base)
    }
  }

  mutating func move(by vector: TangentVector) {
    slope.move(by: vector.slope)
    offset.move(by: vector.offset)
  }
}

let rule = AdamW(learningRate: 0.1)
let gradients = (1...5).map { step in spread(4, seed: UInt64(step)) }
var expected: [Float] = [0, 0, 0, 1]
let own = try Optimizer(rule, layout: ParameterLayout(count: 4), on: .reference)
for gradient in gradients { try own.step(&expected, gradients: gradient) }

// swift-apis and TaylorTorch: a model, along a direction.
var line = Line()
let tangent = try TangentDescent(for: line, rule)
for gradient in gradients {
  tangent.update(
    &line,
    along: .init(slope: .init(Array(gradient[..<3])), offset: .init(Array(gradient[3...]))))
}
require(tangent.error == nil && line.slope + line.offset == expected, "update(_:along:)")
tangent.update(&line, along: .zero)
require("\(tangent.error.map { "\($0)" } ?? "")".hasPrefix("tensor \"slope\""), "a zero tangent")
require(line.slope + line.offset == expected, "an error leaves the model alone")

// mlx-swift: one array after another.
let single = MLXDescent(rule)
var arrays = [MLXArray([0, 0, 0], [3]), MLXArray([1], [])]
var states = arrays.map(single.newState)
for gradient in gradients {
  let parts = [MLXArray(Array(gradient[..<3]), [3]), MLXArray(Array(gradient[3...]), [])]
  for index in arrays.indices {
    (arrays[index], states[index]) = single.applySingle(
      gradient: parts[index], parameter: arrays[index], state: states[index])
  }
}
let left = arrays.flatMap { $0.asArray(Float.self) }
require(single.error == nil && left == expected, "applySingle")
print("both adapters leave Descent's bits")
