import Descent

var layout = ParameterLayout()
try layout.append("hidden.weight", shape: [16, 8])
try layout.append("head.weight", shape: [4, 16], group: "head")
let optimizer = try Optimizer(AdamW(learningRate: 1e-3), layout: layout)
optimizer.schedule = .warmUp(10).then(.cosine(from: 1e-3, to: 1e-5, steps: 990))
var parameters = [Float](repeating: 0.1, count: layout.count)
let gradients = [Float](repeating: 0.5, count: layout.count)
for _ in 1...5 { try optimizer.step(&parameters, gradients: gradients) }

// Parameters, states, counts, rule, schedule: whole on disk, or not at all.
try optimizer.save(to: "run.safetensors", parameters: parameters, metadata: ["epoch": "1"])

// In another process, on another device: the bits of a run that never stopped.
let checkpoint = try Checkpoint("run.safetensors")
let resumed = try Optimizer(checkpoint, on: .cpu)
var resumedParameters = [Float](repeating: 0, count: resumed.layout.count)
try resumed.load(from: checkpoint, parameters: &resumedParameters)
try resumed.step(&resumedParameters, gradients: gradients)
print(resumed.stepCount, checkpoint.metadata["epoch"] ?? "")

// A new head on the trained body, with moments for the body alone.
var larger = ParameterLayout()
try larger.append("hidden.weight", shape: [16, 8])
try larger.append("head.weight", shape: [10, 16], group: "head")
let fineTuning = try Optimizer(AdamW(learningRate: 1e-4), layout: larger)
var start = [Float](repeating: 0, count: larger.count)
let report = try fineTuning.load(from: checkpoint, parameters: &start) { $0.group != "head" }
print(report.loaded, report.leftOut, report.kept)
