import Descent

// Goes on elsewhere with the bits that the run would have had.
let layout = try ParameterLayout(count: 1000)
let first = try Optimizer(Adam(), layout: layout, on: .cpu)
var parameters = [Float](repeating: 1, count: layout.count)
for _ in 1...7 { try first.step(&parameters, gradients: parameters) }

let second = try Optimizer(first.state, on: .reference)
for _ in 1...13 { try second.step(&parameters, gradients: parameters) }
print(Digest(parameters))
