// Training that is killed again and again, and ends with the bits of training that was not: states
// and parameters go to a file every few steps, and a new process takes up where the file stands.
import Descent
import Digits
import Foundation

let digits = try Digits()
var layout = ParameterLayout()
try layout.append("weight", shape: [Digits.classes, Digits.pixels])
try layout.append("bias", shape: [Digits.classes])
let steps = 60
let batch = 64

/// The gradient of softmax regression over the step's batch.
func gradients(_ parameters: [Float], step: Int) -> [Float] {
  var result = [Float](repeating: 0, count: parameters.count)
  let biases = Digits.classes * Digits.pixels
  for index in (0..<batch).map({ ($0 + step * batch) % digits.count }) {
    let x = digits.images[index * Digits.pixels..<(index + 1) * Digits.pixels]
    let z = (0..<Digits.classes).map { k in
      zip(x, parameters[(k * Digits.pixels)...]).reduce(parameters[biases + k]) { $0 + $1.0 * $1.1 }
    }
    let powers = z.map { exp($0 - (z.max() ?? 0)) }
    let sum = powers.reduce(0, +)
    for k in 0..<Digits.classes {
      let d = (powers[k] / sum - (k == digits.labels[index] ? 1 : 0)) / Float(batch)
      result[biases + k] += d
      for (i, pixel) in x.enumerated() { result[k * Digits.pixels + i] += d * pixel }
    }
  }
  return result
}

/// Trains to the end, from where the file stands if there is one.
func train(saving path: String?) throws -> [Float] {
  let optimizer = try Optimizer(Adam(learningRate: 0.01), layout: layout)
  optimizer.schedule = .cosine(from: 0.01, steps: steps)
  var parameters = [Float](repeating: 0, count: layout.count)
  if let path, FileManager.default.fileExists(atPath: path) {
    try optimizer.load(from: path, parameters: &parameters)
    // Not by `print`, which keeps it for later: there may be none.
    let step = try optimizer.stepCount
    FileHandle.standardOutput.write(Data("  goes on after step \(step)\n".utf8))
  }
  while try optimizer.stepCount < steps {
    // The batch follows from the step count, so that the data resume as well.
    let step = try optimizer.stepCount
    try optimizer.step(&parameters, gradients: gradients(parameters, step: step))
    if let path { try optimizer.save(to: path, parameters: parameters) }
  }
  return parameters
}

if CommandLine.arguments.count == 2 {
  _ = try train(saving: CommandLine.arguments[1])
  exit(0)
}

let folder = FileManager.default.temporaryDirectory
  .appending(path: "stop-and-resume-\(ProcessInfo.processInfo.processIdentifier)")
try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
let path = folder.appending(path: "run.safetensors").path

/// When the file was last replaced.
func modified() -> Date? {
  try? FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
}

var kills = 0
while true {
  let child = Process()
  child.executableURL = URL(filePath: CommandLine.arguments[0])
  child.arguments = [path]
  let before = modified()
  try child.run()
  if kills < 4 {
    // Wherever it is some time after its first step: in a step, or in the midst of saving.
    while modified() == before && child.isRunning { usleep(1000) }
    usleep(UInt32(kills + 1) * 9_000)
    kill(child.processIdentifier, SIGKILL)
  }
  child.waitUntilExit()
  if child.terminationReason == .exit {
    require(child.terminationStatus == 0, "the child trains to the end")
    break
  }
  kills += 1
}
var resumed = [Float](repeating: 0, count: layout.count)
try Optimizer(Adam(learningRate: 0.01), layout: layout).load(from: path, parameters: &resumed)
try FileManager.default.removeItem(at: folder)
let whole = try train(saving: nil)
print("killed \(kills) times; the same bits as a run that never stopped: \(resumed == whole)")
require(resumed == whole, "the same bits")
