import Descent

var layout = ParameterLayout()
try layout.append("embedding", shape: [100, 8])
try layout.append("hidden.weight", shape: [8, 8])
try layout.append("hidden.bias", shape: [8])
try layout.append("head", shape: [4, 8])
layout.assign(to: "no decay") { $0.shape.count == 1 }
layout.assign(to: "head") { $0.name == "head" }
let optimizer = try Optimizer(AdamW(learningRate: 1e-3), layout: layout)
var parameters = [Float](repeating: 0.1, count: layout.count)
var gradients = [Float](repeating: 0.01, count: layout.count)

// snippet.clipping
optimizer.clipping = .globalNorm(1)
try optimizer.step(&parameters, gradients: gradients)
if let norm = try optimizer.lastNorm { print("the gradient's norm was", norm) }
// snippet.end

// snippet.skipping
optimizer.skipsNonFinite = true
gradients[0] = .infinity
try optimizer.step(&parameters, gradients: gradients)
print(optimizer.stepCount, "taken,", optimizer.skippedStepCount, "skipped")  // 1 taken, 1 skipped
// snippet.end
gradients[0] = 0

// snippet.scaling
try optimizer.setLossScale(LossScale())
for _ in 1...10 {
  let scale = Float(try optimizer.lossScale?.scale ?? 1)
  let scaled = gradients.map { $0 * scale }  // your backward pass, from the loss times the scale
  try optimizer.step(&parameters, gradients: scaled)
}
// snippet.end

// snippet.sharing
let critic = try Optimizer(Adam(), layout: layout)
var criticParameters = parameters
var shared = LossScale()
for _ in 1...10 {
  let optimizers = [optimizer, critic]
  for optimizer in optimizers { try optimizer.setLossScale(shared.fixed) }
  let scaled = gradients.map { $0 * Float(shared.scale) }  // your backward passes
  try optimizer.step(&parameters, gradients: scaled)
  try critic.step(&criticParameters, gradients: scaled)
  shared.update(foundNonFinite: try optimizers.contains { try $0.lastStepWasSkipped ?? false })
}
// snippet.end
print(shared.scale)
try optimizer.setLossScale(nil)

// snippet.groups
try optimizer.setGroup("no decay", to: ParameterGroup(weightDecay: 0))
try optimizer.setGroup("head", to: ParameterGroup(learningRateFactor: 10, clipping: .globalNorm(1)))
try optimizer.setGroup(ParameterGroup.defaultName, to: ParameterGroup(isFrozen: true))
try optimizer.step(&parameters, gradients: gradients)
print(try optimizer.stepCount(ofGroup: "head"))
// snippet.end

// snippet.rules
let mixed = try Optimizer(
  AdamW(learningRate: 3e-4), layout: layout,
  rules: ["head": Momentum(learningRate: 0.02, nesterov: true)])
mixed.clipping = .globalNorm(1)  // over all groups
mixed.schedule = .cosine(from: 3e-4, steps: 10_000)
try mixed.setGroupSchedule("head", to: .cosine(from: 0.02, steps: 10_000))
try mixed.step(&parameters, gradients: gradients)
try mixed.setGroupRule("head", to: Momentum(learningRate: 0.01, nesterov: true))
// snippet.end

// snippet.schedule
optimizer.schedule = .warmUp(1_000).then(.cosine(from: 1e-3, to: 1e-5, steps: 99_000))
try optimizer.step(&parameters, gradients: gradients)
print(optimizer.learningRate)  // of the coming step
// snippet.end

// snippet.leftOut
optimizer.leftOut = ["embedding"]  // it got no gradient this time
try optimizer.step(&parameters, gradients: gradients)
optimizer.leftOut = []
// snippet.end

// snippet.zeroing
try optimizer.step(&parameters, zeroing: &gradients)
// snippet.end
print(gradients[1])

// snippet.batches
// Gradients of four batches are in `gradients`, summed up by the backward passes.
try optimizer.step(&parameters, zeroing: &gradients, gradientScale: 1 / 4)
// snippet.end

// snippet.accumulation
let (first, second, third) = (gradients, gradients, gradients)
try optimizer.accumulate(first)
try optimizer.accumulate(second)
try optimizer.step(&parameters, gradients: third, gradientScale: 1 / 3)
// snippet.end

// snippet.average
optimizer.averaging = ParameterAverage(decay: 0.999)
try optimizer.step(&parameters, gradients: gradients)
let averaged = try optimizer.average()
// snippet.end
print(averaged[0])

// snippet.rows
/// Updates some rows of a table, and of the states beside it, from these rows' gradients.
func update(
  rows: [Int], of table: inout [Float], width: Int, gradients: [Float], states: inout [[Float]],
  by rule: some UpdateRule, step: Int
) throws {
  func gather(_ vector: [Float]) -> [Float] {
    rows.flatMap { vector[$0 * width..<($0 + 1) * width] }
  }
  func scatter(_ values: [Float], into vector: inout [Float]) {
    for (place, row) in rows.enumerated() {
      vector.replaceSubrange(
        row * width..<(row + 1) * width, with: values[place * width..<(place + 1) * width])
    }
  }
  var (parameters, moments) = (gather(table), states.map(gather))
  try rule.update(&parameters, gradients: gradients, states: &moments, step: step)
  scatter(parameters, into: &table)
  for index in states.indices { scatter(moments[index], into: &states[index]) }
}
// snippet.end
var table = [Float](repeating: 1, count: 100 * 8)
var moments = [[Float]](repeating: [Float](repeating: 0, count: 100 * 8), count: 2)
try update(
  rows: [3, 7], of: &table, width: 8, gradients: [Float](repeating: 1, count: 2 * 8),
  states: &moments, by: Adam(), step: 1)
print(table[3 * 8], table[4 * 8])
