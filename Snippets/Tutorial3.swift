import Descent

// Fits y = ax + b to four points.
let xs: [Float] = [0, 1, 2, 3]
let ys: [Float] = [1, 3, 5, 7]

var layout = ParameterLayout()
try layout.append("a", shape: [1])
try layout.append("b", shape: [1], group: "offsets")
try layout.setGroup("offsets", to: ParameterGroup(learningRateFactor: 2))
let optimizer = try Optimizer(Adam(learningRate: 0.1), layout: layout)
optimizer.clipping = .globalNorm(10)
optimizer.schedule = .cosine(from: 0.1, to: 0.001, steps: 500)

var parameters: [Float] = [0, 0]
var gradients: [Float] = [0, 0]
for _ in 1...500 {
  for (x, y) in zip(xs, ys) {
    let error = parameters[0] * x + parameters[1] - y
    gradients[0] += error * x
    gradients[1] += error
  }
  // The sums become means, and the gradients 0, inside the pass that updates.
  try optimizer.step(&parameters, zeroing: &gradients, gradientScale: 1 / 4)
}
print(parameters)  // close to 2 and 1
print(try optimizer.stepCount, "steps,", try optimizer.skippedStepCount, "skipped")
