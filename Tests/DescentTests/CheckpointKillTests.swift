import DescentTestSupport
import Foundation
import Testing

@testable import Descent

/// A process that trains and saves in a loop, and is killed at random moments, leaves the
/// checkpoint of the last save or the one before it, whole; and training goes on from it with the
/// bits of a run that never stopped. `DESCENT_KILLS` says how often, for a longer run.
@Suite struct CheckpointKillTests {
  private static let layout = Result {
    var layout = ParameterLayout()
    try layout.append("weight", shape: [64, 96])
    try layout.append("bias", shape: [96], group: "biases")
    return layout
  }

  private static func gradients(_ step: Int) -> [Float] {
    let count = 65 * 96
    return (0..<count).map { Float((step * 31 + $0 * 7) % 201 - 100) / 64 }
  }

  private static func optimizer() throws -> (Optimizer, [Float]) {
    let optimizer = try Optimizer(Adam(), layout: layout.get(), on: .cpu(threads: 1))
    return (optimizer, [Float](repeating: 1, count: try layout.get().count))
  }

  private static func run() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      var (optimizer, parameters) = try optimizer()
      // The run that never stops, a digest for each step.
      var (straight, x) = try Self.optimizer()
      var digests = [try SmallModel.digest(straight, x)]
      try optimizer.save(to: path, parameters: parameters)
      var processes = try KilledProcesses(savingTo: folder) {
        try optimizer.save(to: path, parameters: parameters)
      }
      for _ in 0..<KilledProcesses.usual {
        let step = try processes.kill(from: optimizer.stepCount) { step, begins in
          try optimizer.step(&parameters, gradients: gradients(step))
          begins()
          try optimizer.save(to: path, parameters: parameters)
        } load: {
          try optimizer.load(from: path, parameters: &parameters)
          return try optimizer.stepCount
        }
        while digests.count <= step {
          try straight.step(&x, gradients: gradients(digests.count))
          digests.append(try SmallModel.digest(straight, x))
        }
        try #require(try SmallModel.digest(optimizer, parameters) == digests[step])
      }
      try processes.report(last: optimizer.stepCount)
    }
  }

  @Test("an optimizer that is killed while it saves")
  func killed() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      try Self.run()
    }
    print(String(decoding: result.standardOutputContent, as: UTF8.self))
  }
}
