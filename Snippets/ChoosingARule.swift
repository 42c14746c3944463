import Descent

// snippet.presets
let fromPyTorch = AdamW.pyTorch(learningRate: 3e-4)
let fromKeras = RMSProp.keras()
let fromOptax = AMSGrad.optax(learningRate: 1e-3)
let fromThePaper = AdaDelta.paper()
// snippet.end
print(fromPyTorch, fromKeras, fromOptax, fromThePaper)

// snippet.momentum
// The same steps in the literature's two forms of momentum.
let accumulated = Momentum.accumulated(learningRate: 0.01, momentum: 0.9)
let averaged = Momentum.averaged(
  learningRate: Momentum.averagedLearningRate(accumulated: 0.01, momentum: 0.9), momentum: 0.9)
// snippet.end
print(accumulated, averaged)

// snippet.nesterov
let optimizer = try Optimizer(Nesterov(learningRate: 0.02), layout: ParameterLayout(count: 2))
var parameters: [Float] = [3, -2]
for _ in 1...100 {
  // The parameters are the look-ahead point, so this is the look-ahead gradient.
  try optimizer.step(&parameters, gradients: parameters)
}
var iterate = parameters
try optimizer.writeIterate(from: parameters, into: &iterate)  // to evaluate; training may go on
try optimizer.settle(&parameters)  // at the end
// snippet.end
print(iterate == parameters)

// snippet.byName
let type = try Rules.named("adam")
var rule = type.init()
rule.learningRate = 3e-4
try rule.validate()
// snippet.end
print(rule)
