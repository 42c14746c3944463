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

  private static func run(kills: Int) throws {
    typealias Fork = @convention(c) () -> pid_t
    let fork = unsafeBitCast(try #require(dlsym(nil, "fork")), to: Fork.self)
    let announced = try #require(
      mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
    ).bindMemory(to: Int.self, capacity: 1)
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      var (optimizer, parameters) = try optimizer()
      // The run that never stops, a digest for each step.
      var (straight, x) = try Self.optimizer()
      var digests = [try SmallModel.digest(straight, x)]
      try optimizer.save(to: path, parameters: parameters)
      let time = try ContinuousClock().measure {
        try optimizer.save(to: path, parameters: parameters)
      }
      let longest = UInt64(3 * (time / Duration.microseconds(1))) + 1
      var torn = 0
      for kill in 0..<kills {
        announced.pointee = optimizer.stepCount
        let child = fork()
        if child == 0 {
          for step in (optimizer.stepCount + 1)... {
            do {
              try optimizer.step(&parameters, gradients: gradients(step))
              announced.pointee = step
              try optimizer.save(to: path, parameters: parameters)
            } catch {
              _exit(1)
            }
          }
        }
        try #require(child > 0)
        usleep(UInt32(PinnedSteps.mix(UInt64(kill)) % longest))
        Foundation.kill(child, SIGKILL)
        var status: Int32 = 0
        waitpid(child, &status, 0)
        try #require(status & 0x7f == SIGKILL, "the child failed by itself")
        try optimizer.load(from: path, parameters: &parameters)
        let step = optimizer.stepCount
        try #require(
          step == announced.pointee || step == announced.pointee - 1,
          "step \(step) is there, \(announced.pointee) was being saved")
        while digests.count <= step {
          try straight.step(&x, gradients: gradients(digests.count))
          digests.append(try SmallModel.digest(straight, x))
        }
        try #require(try SmallModel.digest(optimizer, parameters) == digests[step])
        torn += try folderContents(folder).contains { $0.contains(".tmp-") } ? 1 : 0
      }
      print("\(kills) kills, \(torn) amidst a write, \(optimizer.stepCount) steps saved")
      try #require(optimizer.stepCount > 0 && torn > 0)
    }
  }

  private static var kills: Int {
    #if DEBUG
    let usual = 60
    #else
    let usual = 300
    #endif
    return ProcessInfo.processInfo.environment["DESCENT_KILLS"].flatMap { Int($0) } ?? usual
  }

  @Test("an optimizer that is killed while it saves")
  func killed() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      try Self.run(kills: Self.kills)
    }
    print(String(decoding: result.standardOutputContent, as: UTF8.self))
  }
}
