import Descent

var layout = ParameterLayout()
try layout.append("hidden", shape: [64, 16])
try layout.append("head", shape: [4, 64], group: "head")
let optimizer = try Optimizer(AdamW(learningRate: 1e-3), layout: layout)
var parameters = [Float](repeating: 0.1, count: layout.count)
let gradients = [Float](repeating: 0.01, count: layout.count)
try optimizer.step(&parameters, gradients: gradients)

// snippet.save
try optimizer.save(to: "run.safetensors", parameters: parameters, metadata: ["epoch": "1"])
// snippet.end

// snippet.load
try optimizer.load(from: "run.safetensors", parameters: &parameters)
// snippet.end

// snippet.make
let checkpoint = try Checkpoint("run.safetensors")
print(checkpoint.metadata["epoch"] ?? "none", checkpoint.status?.stepCount ?? 0)
let twin = try Optimizer(checkpoint, on: .cpu)
// snippet.end
print(try twin.stepCount)

struct Line: ParameterVisitable {
  var slope: [Float] = [0, 0]
  var offset: Float = 0

  mutating func visitParameters(_ visitor: inout ParameterVisitor) {
    visitor.visit("slope", &slope)
    visitor.visit("offset", &offset)
  }
}
var line = Line()
let lines = try Optimizer(Adam(), layout: ParameterLayout(of: line))

// snippet.model
try lines.save(to: "line.safetensors", parameters: line)
try lines.load(from: "line.safetensors", parameters: &line)
// snippet.end

// snippet.some
let report = try optimizer.load(from: checkpoint, parameters: &parameters) { $0.group != "head" }
print(report.loaded, report.kept)
// snippet.end

// snippet.pyTorch
try optimizer.save(to: "for-pytorch.safetensors", parameters: parameters, naming: .pyTorch)
// snippet.end
