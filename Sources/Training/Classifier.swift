import Foundation

/// A multilayer perceptron with one hidden layer: ReLU, then softmax and cross-entropy.
///
/// All parameters are in one array, in the order of ``tensors``. Sums are computed in `Float` and
/// in a fixed order, so results on one machine are reproducible bit for bit; between machines only
/// the C library's `exp` and `log` may differ. A value reuses its scratch memory and allocates none
/// in its calls; concurrent tasks need a copy each.
package struct Classifier: Sendable {
  package struct Tensor: Equatable, Sendable {
    package var name: String
    package var shape: [Int]
    package var count: Int { shape.reduce(1, *) }
  }

  package let featureCount: Int
  package let hiddenCount: Int
  package let classCount: Int
  /// The parameter tensors, in their order in the array.
  package let tensors: [Tensor]
  package let parameterCount: Int
  private var scratch: [Float]

  package init(featureCount: Int, hiddenCount: Int, classCount: Int) {
    precondition(
      featureCount > 0 && hiddenCount > 0 && classCount > 0, "a layer has at least one unit")
    self.featureCount = featureCount
    self.hiddenCount = hiddenCount
    self.classCount = classCount
    tensors = [
      Tensor(name: "hidden.weight", shape: [hiddenCount, featureCount]),
      Tensor(name: "hidden.bias", shape: [hiddenCount]),
      Tensor(name: "output.weight", shape: [classCount, hiddenCount]),
      Tensor(name: "output.bias", shape: [classCount]),
    ]
    parameterCount = Self.parameterCount(featureCount, hiddenCount, classCount)
    // Both weights transposed, and the units of both layers for the forward and the backward pass.
    let weightCount = (featureCount + classCount) * hiddenCount
    scratch = Array(repeating: 0, count: weightCount + 2 * (hiddenCount + classCount))
  }

  /// The ``parameterCount`` for these sizes, without allocating memory.
  package static func parameterCount(_ features: Int, _ hidden: Int, _ classes: Int) -> Int {
    (features + 1) * hidden + (hidden + 1) * classes
  }

  /// Weights from the normal distribution with variance 2 / inputs (He et al., arXiv:1502.01852),
  /// biases 0; the same on every machine for the same seed.
  package func initialParameters(seed: UInt64) -> [Float] {
    var generator = SplitMix64(seed: seed)
    var parameters: [Float] = []
    parameters.reserveCapacity(parameterCount)
    for tensor in tensors {
      if tensor.shape.count == 1 {
        parameters += repeatElement(0, count: tensor.count)
      } else {
        let deviation = (2 / Double(tensor.shape[1])).squareRoot()
        for _ in 0..<tensor.count { parameters.append(Float(generator.normal() * deviation)) }
      }
    }
    return parameters
  }

  /// The mean loss over a batch; `gradient` is overwritten with the gradient of that mean.
  ///
  /// - Parameter rows: the batch as indices into the data set, at least one.
  package mutating func lossAndGradient(
    parameters: [Float], of dataset: Dataset, rows: ArraySlice<Int>, gradient: inout [Float]
  ) -> Float {
    precondition(!rows.isEmpty, "the mean over no examples is not defined")
    precondition(gradient.count == parameterCount, "a gradient has a place for each parameter")
    let scale = 1 / Float(rows.count)
    return gradient.withUnsafeMutableBufferPointer { gradient in
      gradient.update(repeating: 0)
      return withNetwork(parameters, dataset) { network, features in
        var loss: Float = 0
        for row in rows {
          let example = network.example(row, of: features)
          loss += network.forward(example, label: dataset.labels[row])
          network.backward(
            example, label: dataset.labels[row], scale: scale, gradient: gradient)
        }
        return loss * scale
      }
    }
  }

  /// The mean loss, and the share of examples whose class gets the highest score.
  ///
  /// Of equal scores the first class counts; NaN is never the highest score.
  package mutating func evaluate(
    parameters: [Float], on dataset: Dataset
  ) -> (loss: Float, accuracy: Double) {
    withNetwork(parameters, dataset) { network, features in
      // In Double: over a large data set a sum in Float would lose the last examples' digits.
      var loss = 0.0
      var correct = 0
      for (row, label) in dataset.labels.enumerated() {
        loss += Double(network.forward(network.example(row, of: features), label: label))
        if network.prediction() == label { correct += 1 }
      }
      let count = Double(dataset.count)
      return (Float(loss / count), Double(correct) / count)
    }
  }

  private mutating func withNetwork<Result>(
    _ parameters: [Float], _ dataset: Dataset,
    _ body: (Network, UnsafeBufferPointer<Float>) -> Result
  ) -> Result {
    precondition(parameters.count == parameterCount, "a value for each parameter")
    precondition(
      dataset.featureCount == featureCount && dataset.classes.count <= classCount,
      "the data set has other features or classes than the classifier")
    let (featureCount, hiddenCount, classCount) = (featureCount, hiddenCount, classCount)
    return scratch.withUnsafeMutableBufferPointer { scratch in
      parameters.withUnsafeBufferPointer { parameters in
        dataset.features.withUnsafeBufferPointer { features in
          var parameters = parameters[...]
          var scratch = scratch[...]
          let network = Network(
            hiddenLayer: DenseLayer(
              inputCount: featureCount, outputCount: hiddenCount, parameters: &parameters,
              scratch: &scratch),
            outputLayer: DenseLayer(
              inputCount: hiddenCount, outputCount: classCount, parameters: &parameters,
              scratch: &scratch),
            hidden: scratch.removeFirstVector(hiddenCount),
            hiddenGradient: scratch.removeFirstVector(hiddenCount),
            scores: scratch.removeFirstVector(classCount),
            softmax: scratch.removeFirstVector(classCount))
          return body(network, features)
        }
      }
    }
  }
}

/// The forward and the backward pass of one example, in memory that the caller keeps alive.
private struct Network {
  typealias Values = DenseLayer.Values
  typealias Vector = DenseLayer.Vector

  let hiddenLayer: DenseLayer
  let outputLayer: DenseLayer
  let hidden: Vector
  let hiddenGradient: Vector
  let scores: Vector
  let softmax: Vector

  func example(_ row: Int, of features: Values) -> Values {
    let count = hiddenLayer.inputCount
    return Values(rebasing: features[row * count..<(row + 1) * count])
  }

  /// The loss of one example, −log softmax(scores)[label].
  func forward(_ example: Values, label: Int) -> Float {
    hiddenLayer.forward(example, to: hidden)
    // Not `z > 0 ? z : 0`, which would turn a NaN into 0.
    for unit in 0..<hidden.count { hidden[unit] = hidden[unit] < 0 ? 0 : hidden[unit] }
    outputLayer.forward(Values(hidden), to: scores)

    // The highest score is subtracted, so that the exponentials do not overflow or all underflow.
    var highest = scores[0]
    for score in scores where score > highest { highest = score }
    var sum: Float = 0
    for index in 0..<scores.count {
      softmax[index] = exp(scores[index] - highest)
      sum += softmax[index]
    }
    for index in 0..<scores.count { softmax[index] /= sum }
    return log(sum) + highest - scores[label]
  }

  /// Adds the gradient of `scale` times the loss that `forward` has just given for the example.
  func backward(_ example: Values, label: Int, scale: Float, gradient: Vector) {
    let scoreGradient = softmax
    scoreGradient[label] -= 1
    for index in 0..<scores.count { scoreGradient[index] *= scale }
    outputLayer.backward(Values(scoreGradient), to: hiddenGradient)
    for unit in 0..<hidden.count where hidden[unit] == 0 { hiddenGradient[unit] = 0 }

    let hiddenPart = hiddenLayer.weight.count + hiddenLayer.bias.count
    hiddenLayer.addGradient(
      of: Values(hiddenGradient), at: example, to: gradient.prefix(hiddenPart))
    outputLayer.addGradient(
      of: Values(scoreGradient), at: Values(hidden), to: gradient.dropFirst(hiddenPart))
  }

  /// The first of the classes with the highest score, if any score is above −∞.
  func prediction() -> Int? {
    var best: Int?
    var highest = -Float.infinity
    for index in 0..<scores.count where scores[index] > highest {
      highest = scores[index]
      best = index
    }
    return best
  }
}
