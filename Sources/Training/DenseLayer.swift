/// A fully connected layer, in memory that the caller keeps alive.
///
/// All its inner loops add a multiple of one row to another. A release build vectorizes them, and
/// each sum is still computed in the order of its index.
struct DenseLayer {
  typealias Values = UnsafeBufferPointer<Float>
  typealias Vector = UnsafeMutableBufferPointer<Float>

  let inputCount: Int
  let outputCount: Int
  /// Row-major, shape [outputs, inputs].
  let weight: Values
  let bias: Values
  /// The weight as [inputs, outputs], so that the forward pass also adds along rows.
  let transposedWeight: Vector

  /// Takes the layer's weight and bias from the front of `parameters`, and memory for the
  /// transposed weight from `scratch`.
  init(
    inputCount: Int, outputCount: Int, parameters: inout Slice<Values>,
    scratch: inout Slice<Vector>
  ) {
    self.inputCount = inputCount
    self.outputCount = outputCount
    weight = Values(rebasing: parameters.prefix(outputCount * inputCount))
    parameters.removeFirst(weight.count)
    bias = Values(rebasing: parameters.prefix(outputCount))
    parameters.removeFirst(bias.count)
    transposedWeight = scratch.removeFirstVector(outputCount * inputCount)
    for output in 0..<outputCount {
      for input in 0..<inputCount {
        transposedWeight[input * outputCount + output] = weight[output * inputCount + input]
      }
    }
  }

  /// output ← weight · input + bias
  func forward(_ input: Values, to output: Vector) {
    for index in 0..<outputCount { output[index] = bias[index] }
    for index in 0..<inputCount {
      add(input[index], row(index, of: Values(transposedWeight), count: outputCount), to: output)
    }
  }

  /// Adds the gradients of weight and bias to a slice with their layout.
  func addGradient(of output: Values, at input: Values, to gradient: Slice<Vector>) {
    let gradient = Vector(rebasing: gradient)
    for index in 0..<outputCount {
      let start = index * inputCount
      add(
        output[index], input, to: Vector(rebasing: gradient[start..<start + inputCount]))
      gradient[weight.count + index] += output[index]
    }
  }

  /// input ← weightᵀ · output, which propagates a gradient from the layer's output to its input.
  func backward(_ output: Values, to input: Vector) {
    for index in 0..<inputCount { input[index] = 0 }
    for index in 0..<outputCount {
      add(output[index], row(index, of: weight, count: inputCount), to: input)
    }
  }

  private func row(_ index: Int, of matrix: Values, count: Int) -> Values {
    Values(rebasing: matrix[index * count..<(index + 1) * count])
  }

  /// y ← y + factor · x
  private func add(_ factor: Float, _ x: Values, to y: Vector) {
    for index in 0..<x.count { y[index] += factor * x[index] }
  }
}

extension Slice where Base == UnsafeMutableBufferPointer<Float> {
  /// Removes and returns `count` elements from the front.
  mutating func removeFirstVector(_ count: Int) -> Base {
    defer { removeFirst(count) }
    return Base(rebasing: prefix(count))
  }
}
