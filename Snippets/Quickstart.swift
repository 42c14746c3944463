import Descent

// Fits y = ax + b to four points.
let xs: [Float] = [0, 1, 2, 3]
let ys: [Float] = [1, 3, 5, 7]

var layout = ParameterLayout()
try layout.append("a", shape: [1])
try layout.append("b", shape: [1])
let optimizer = try Optimizer(Adam(learningRate: 0.1), layout: layout)

var parameters: [Float] = [0, 0]
for _ in 1...500 {
  var gradients: [Float] = [0, 0]
  for (x, y) in zip(xs, ys) {
    let error = parameters[0] * x + parameters[1] - y
    gradients[0] += error * x / 4
    gradients[1] += error / 4
  }
  try optimizer.step(&parameters, gradients: gradients)
}
print(parameters, "on", optimizer.engineName)
