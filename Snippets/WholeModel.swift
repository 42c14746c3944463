import Descent

// A model of three tensors; biases are not decayed, and the embedding learns slowly.
var layout = ParameterLayout()
try layout.append("embedding", shape: [1000, 64], group: "slow")
try layout.append("weight", shape: [10, 64])
try layout.append("bias", shape: [10])
layout.assign(to: "no decay") { $0.shape.count == 1 }
try layout.setGroup("no decay", to: ParameterGroup(weightDecay: 0))
try layout.setGroup("slow", to: ParameterGroup(learningRateFactor: 0.1))

let optimizer = try Optimizer(AdamW(learningRate: 1e-3, weightDecay: 0.1), layout: layout)
optimizer.clipping = .globalNorm(1)  // and a gradient that is not finite skips the step
try optimizer.setLossScale(LossScale())  // divided out inside the step; grows, and falls

var parameters = [Float](repeating: 0.1, count: layout.count)
var gradients = [Float](repeating: 65536 * 0.01, count: layout.count)
try optimizer.step(&parameters, zeroing: &gradients)
try optimizer.setGroup("slow", to: ParameterGroup(isFrozen: true))
print(parameters[0], gradients[0], try optimizer.stepCount, try optimizer.lastNorm ?? 0)
