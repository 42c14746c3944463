// A trainer that holds everything in one flat region of memory, in the manner of llm.c: four
// pointers and a count. It keeps its own moments, so it uses the stateless tier: `rule.update`.
import Descent
import Digits
import Foundation

let digits = try Digits()
let (inputs, hidden, outputs) = (Digits.pixels, 32, Digits.classes)
let count = hidden * (inputs + 1) + outputs * (hidden + 1)

// Parameters, gradients, m and v, one after another.
let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: 4 * count)
defer { memory.deallocate() }
memory.initialize(repeating: 0)
func region(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
  UnsafeMutableBufferPointer(rebasing: memory[index * count..<(index + 1) * count])
}
let (parameters, gradients, m, v) = (region(0), region(1), region(2), region(3))

// Where each tensor begins.
let (w1, b1) = (0, hidden * inputs)
let w2 = b1 + hidden
let b2 = w2 + outputs * hidden
for (index, value) in spread(count, seed: 1).enumerated() where index < b1 || index >= w2 {
  parameters[index] = 0.2 * value
}

/// y = relu(W₁x + b₁), z = W₂y + b₂.
func forward(_ x: ArraySlice<Float>) -> (y: [Float], z: [Float]) {
  let y = (0..<hidden).map { j in
    max(0, zip(x, parameters[(w1 + j * inputs)...]).reduce(parameters[b1 + j]) { $0 + $1.0 * $1.1 })
  }
  let z = (0..<outputs).map { k in
    zip(y, parameters[(w2 + k * hidden)...]).reduce(parameters[b2 + k]) { $0 + $1.0 * $1.1 }
  }
  return (y, z)
}

/// Adds the gradient of −log softmax(z)[label] to `gradients`, and returns that loss.
func backward(_ x: ArraySlice<Float>, _ label: Int) -> Float {
  let (y, z) = forward(x)
  let top = z.max() ?? 0
  let powers = z.map { exp($0 - top) }
  let sum = powers.reduce(0, +)
  var dy = [Float](repeating: 0, count: hidden)
  for k in 0..<outputs {
    let dz = powers[k] / sum - (k == label ? 1 : 0)
    gradients[b2 + k] += dz
    for j in 0..<hidden {
      gradients[w2 + k * hidden + j] += dz * y[j]
      dy[j] += dz * parameters[w2 + k * hidden + j]
    }
  }
  for j in 0..<hidden where y[j] > 0 {
    gradients[b1 + j] += dy[j]
    for (i, pixel) in x.enumerated() { gradients[w1 + j * inputs + i] += dy[j] * pixel }
  }
  return -log(powers[label] / sum)
}

let rule = AdamW(learningRate: 3e-3, weightDecay: 1e-2)
let batch = 32
var step = 0
for epoch in 1...3 {
  var loss: Float = 0
  for start in stride(from: 0, to: digits.count - batch + 1, by: batch) {
    for index in start..<start + batch {
      loss += backward(digits.images[index * inputs..<(index + 1) * inputs], digits.labels[index])
    }
    step += 1
    // The sums over the batch become means inside the update.
    try rule.update(
      parameters: parameters, gradients: UnsafeBufferPointer(gradients), states: [m, v], step: step,
      gradientScale: 1 / Double(batch))
    gradients.update(repeating: 0)
  }
  print("epoch \(epoch): loss \(loss / Float(digits.count))")
}
let accuracy = digits.accuracy { greatest(forward($0).z) }
print("\(step) steps over \(count) parameters: \(accuracy * 100)% right")
require(accuracy > 0.9, "an accuracy above 0.9")
