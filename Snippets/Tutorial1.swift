import Descent

// Fits y = ax + b to four points.
let xs: [Float] = [0, 1, 2, 3]
let ys: [Float] = [1, 3, 5, 7]

var layout = ParameterLayout()
try layout.append("a", shape: [1])
try layout.append("b", shape: [1])
let optimizer = try Optimizer(Adam(learningRate: 0.1), layout: layout)
print(optimizer.engineName, "because", optimizer.engineReason)
