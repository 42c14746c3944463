import Descent

// Saves a run, and goes on with it as if it had never stopped: in another process, on any engine.
let layout = try ParameterLayout(count: 1000)
let optimizer = try Optimizer(AdamW(), layout: layout)
optimizer.schedule = .warmUp(1000).then(.cosine(from: 1e-3, to: 1e-5, steps: 99_000))
var parameters = [Float](repeating: 1, count: layout.count)
let gradients = [Float](repeating: 0.5, count: layout.count)
try optimizer.step(&parameters, gradients: gradients)
try optimizer.save(to: "run.safetensors", parameters: parameters)

let later = try Optimizer(Checkpoint("run.safetensors"), on: .cpu)
try later.load(from: "run.safetensors", parameters: &parameters)
try later.step(&parameters, gradients: gradients)
print(try later.stepCount, try later.learningRate)
