// A model that Swift differentiates, and a step over its tensors where they lie: the model and its
// `TangentVector` hand them over to a visitor.
import Descent
import Digits
import Foundation
import _Differentiation

/// y = Wx + b for every row x of a batch.
///
/// Differentiated as a whole, by a derivative of its own: through subscripts each element would
/// cost as much as all parameters.
@differentiable(reverse,wrt: (weight, bias, x))
func affine(_ weight: [Float], _ bias: [Float], _ x: [Float]) -> [Float] {
  let (outputs, inputs) = (bias.count, weight.count / bias.count)
  var y: [Float] = []
  for row in stride(from: 0, to: x.count, by: inputs) {
    for k in 0..<outputs {
      var sum = bias[k]
      for i in 0..<inputs { sum += weight[k * inputs + i] * x[row + i] }
      y.append(sum)
    }
  }
  return y
}

@derivative(of: affine)
func affineWithPullback(_ weight: [Float], _ bias: [Float], _ x: [Float]) -> (
  value: [Float],
  pullback: (Array<Float>.TangentVector) -> (
    Array<Float>.TangentVector, Array<Float>.TangentVector, Array<Float>.TangentVector
  )
) {
  let (outputs, inputs) = (bias.count, weight.count / bias.count)
  return (
    affine(weight, bias, x),
    { dy in
      var dWeight = [Float](repeating: 0, count: weight.count)
      var dBias = [Float](repeating: 0, count: outputs)
      var dx = [Float](repeating: 0, count: x.count)
      for row in 0..<x.count / inputs {
        for k in 0..<outputs {
          let d = dy.base[row * outputs + k]
          dBias[k] += d
          for i in 0..<inputs {
            dWeight[k * inputs + i] += d * x[row * inputs + i]
            dx[row * inputs + i] += d * weight[k * inputs + i]
          }
        }
      }
      return (.init(dWeight), .init(dBias), .init(dx))
    }
  )
}

@differentiable(reverse)
func relu(_ x: [Float]) -> [Float] { x.map { max(0, $0) } }

@derivative(of: relu)
func reluWithPullback(_ x: [Float]) -> (
  value: [Float], pullback: (Array<Float>.TangentVector) -> Array<Float>.TangentVector
) {
  (relu(x), { dy in .init(zip(x, dy.base).map { $0 > 0 ? $1 : 0 }) })
}

/// The mean of −log softmax(z)[label] over the rows of z.
@differentiable(reverse,wrt: z)
func crossEntropy(_ z: [Float], _ labels: [Int]) -> Float { softmaxLoss(z, labels).loss }

@derivative(of: crossEntropy, wrt: z)
func crossEntropyWithPullback(_ z: [Float], _ labels: [Int]) -> (
  value: Float, pullback: (Float) -> Array<Float>.TangentVector
) {
  let (loss, gradient) = softmaxLoss(z, labels)
  return (loss, { scale in .init(gradient.map { scale * $0 }) })
}

func softmaxLoss(_ z: [Float], _ labels: [Int]) -> (loss: Float, gradient: [Float]) {
  let classes = z.count / labels.count
  var (loss, gradient): (Float, [Float]) = (0, [])
  for (row, label) in labels.enumerated() {
    let values = z[row * classes..<(row + 1) * classes]
    let top = values.max() ?? 0
    let powers = values.map { exp($0 - top) }
    let sum = powers.reduce(0, +)
    loss -= log(powers[label] / sum) / Float(labels.count)
    for (k, power) in powers.enumerated() {
      gradient.append((power / sum - (k == label ? 1 : 0)) / Float(labels.count))
    }
  }
  return (loss, gradient)
}

// The tangent vectors are written out, since those that Swift makes up cannot be extended. A model
// and its gradient hand over the same names in the same order.
struct Dense: Differentiable, ParameterVisitable {
  var weight: [Float]
  var bias: [Float]

  init(_ inputs: Int, _ outputs: Int, seed: UInt64) {
    weight = spread(inputs * outputs, seed: seed).map { 0.2 * $0 }
    bias = [Float](repeating: 0, count: outputs)
  }

  @differentiable(reverse)
  func callAsFunction(_ x: [Float]) -> [Float] { affine(weight, bias, x) }

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("weight", &weight)
    visitor.visit("bias", &bias)
  }

  struct TangentVector: Differentiable, AdditiveArithmetic, ParameterVisitable {
    var weight: Array<Float>.TangentVector
    var bias: Array<Float>.TangentVector

    mutating func visitParameters(_ visitor: inout ParameterVisitor) {
      visitor.visit("weight", &weight.base)
      visitor.visit("bias", &bias.base)
    }
  }

  mutating func move(by offset: TangentVector) {
    weight.move(by: offset.weight)
    bias.move(by: offset.bias)
  }
}

struct Classifier: Differentiable, ParameterVisitable {
  var first = Dense(Digits.pixels, 32, seed: 1)
  var second = Dense(32, Digits.classes, seed: 2)

  @differentiable(reverse)
  func callAsFunction(_ x: [Float]) -> [Float] { second(relu(first(x))) }

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("first", &first)
    visitor.visit("second", &second)
  }

  struct TangentVector: Differentiable, AdditiveArithmetic, ParameterVisitable {
    var first: Dense.TangentVector
    var second: Dense.TangentVector

    mutating func visitParameters(_ visitor: inout ParameterVisitor) {
      visitor.visit("first", &first)
      visitor.visit("second", &second)
    }
  }

  mutating func move(by offset: TangentVector) {
    first.move(by: offset.first)
    second.move(by: offset.second)
  }
}

let digits = try Digits()
var model = Classifier()
let optimizer = try Optimizer(Adam(learningRate: 3e-3), layout: ParameterLayout(of: model))
optimizer.clipping = .globalNorm(1)

let batch = 32
for epoch in 1...3 {
  var loss: Float = 0
  for start in stride(from: 0, to: digits.count - batch + 1, by: batch) {
    let images = Array(digits.images[start * Digits.pixels..<(start + batch) * Digits.pixels])
    let labels = Array(digits.labels[start..<start + batch])
    let (value, gradient) = valueWithGradient(at: model) { crossEntropy($0(images), labels) }
    try optimizer.step(&model, gradients: gradient)
    loss += value * Float(batch) / Float(digits.count)
  }
  print("epoch \(epoch): loss \(loss)")
}
// Some rules update another point than the one to evaluate; for all others this changes nothing.
try optimizer.settle(&model)
let accuracy = digits.accuracy { greatest(model(Array($0))) }
print("\(try optimizer.stepCount) steps on \(optimizer.engineName): \(accuracy * 100)% right")
require(accuracy > 0.9, "an accuracy above 0.9")
