import Descent

#if OpenCL
import OpenCLHost
#endif

// snippet.digests
var engines: [EngineChoice] = [.reference, .cpu(threads: 1), .cpu]
#if OpenCL
engines += Device.all.filter { $0.sameBits.isYes }.map { .openCL($0) }
#endif
let count = 10_000
for engine in engines {
  let optimizer = try Optimizer(
    Adam(), layout: ParameterLayout(count: count), on: engine)
  var parameters = (0..<count).map { Float($0) / 7 }
  for step in 1...25 {
    try optimizer.step(&parameters, gradients: parameters.map { $0 / 3 - Float(step) })
  }
  print(Digest(parameters), optimizer.engineName)  // the same digest in every line
}
// snippet.end

// snippet.truth
// The same step in Double: what Float engines are measured against.
var parameters = [1.0, 2.0]
var moments = [[0.0, 0.0], [0.0, 0.0]]
try Adam().referenceUpdate(&parameters, gradients: [0.1, -0.2], states: &moments, step: 1)
// snippet.end
print(parameters)
