// One run of the scenario, in which Tests/FaultLayer makes one call fail: `fault-run host FOLDER`.
//
// Prints how it ended. `right`: every bit as without a fault, if need be after a second try.
// `refused`: a typed error each time. Anything else is a fault of the library's: `wrong`.
import Descent
import Foundation
import OpenCLHost
import Safetensors

struct Wrong: Error {
  let what: String
}

/// Throws unless the error is one that callers can expect.
func expect(_ error: any Error) throws {
  if error is Wrong { throw error }
  guard
    error is OpenCLError || error is OpenCLUsageError || error is DescentError
      || error is SafetensorsError || error is CheckpointError
  else { throw Wrong(what: "an error of another type: \(error)") }
}

/// What is left after a failure: the number of steps that were taken if the optimizer is whole, nil
/// if it refuses.
func examine(_ trainer: Trainer, _ history: [Snapshot], in folder: URL) throws -> Int? {
  trainer.optimizer.dropAccumulated()
  let path = folder.appending(path: "after.safetensors").path
  do {
    try trainer.optimizer.save(to: path)
  } catch {
    try expect(error)
    return nil
  }
  let twin = try Optimizer(
    Scenario.rule, layout: trainer.optimizer.layout, on: .cpu(threads: 1))
  try twin.load(from: path)
  let steps = try twin.stepCount + twin.skippedStepCount
  guard steps < history.count else { throw Wrong(what: "\(steps) steps in the file") }
  let parameters: [Float]
  do {
    parameters = try trainer.values()
  } catch {
    try expect(error)
    return nil
  }
  var found = try Snapshot(twin, parameters: parameters)
  // An average and a loss scale may be set already.
  if steps < Scenario.phases[1].lowerBound { found.lossScale = history[steps].lossScale }
  guard found == history[steps] else { throw Wrong(what: "a save after a failure, \(steps) steps") }
  return steps
}

func run(_ kind: Trainer.Kind, in folder: URL) throws -> String {
  let history = try Snapshot.history(in: folder)
  var failures: [any Error] = []
  func noting(_ error: any Error) throws {
    try expect(error)
    failures.append(error)
    if failures.count == 4 { throw error }
  }
  var made: Trainer?
  while made == nil {
    do { made = try Trainer(kind) } catch { try noting(error) }
  }
  guard let trainer = made else { return "no trainer" }
  var taken = 0
  for phase in Scenario.phases {
    while true {
      do {
        if taken < phase.upperBound { try trainer.take(taken + 1...phase.upperBound) }
        taken = phase.upperBound
        guard try trainer.snapshot() == history[taken] else {
          throw Wrong(what: "after \(taken) steps")
        }
        guard try examine(trainer, history, in: folder) == taken else {
          throw OpenCLError(status: 0, call: "a save")
        }
        break
      } catch {
        try noting(error)
        if let steps = try examine(trainer, history, in: folder) {
          taken = steps
          continue
        }
        taken = phase.lowerBound - 1
        var isLoaded = false
        while !isLoaded {
          do {
            try trainer.load(Snapshot.file(taken, in: folder))
            isLoaded = true
          } catch { try noting(error) }
        }
      }
    }
  }
  return failures.isEmpty ? "right" : "right, after \(failures[0])"
}

guard CommandLine.arguments.count == 3, let kind = Trainer.Kind(rawValue: CommandLine.arguments[1])
else {
  print("usage: fault-run host|device|outOfOrder FOLDER")
  exit(2)
}
do {
  print(try run(kind, in: URL(filePath: CommandLine.arguments[2])))
} catch let wrong as Wrong {
  print("wrong: \(wrong.what)")
  exit(1)
} catch {
  print("refused: \(error)")
}
