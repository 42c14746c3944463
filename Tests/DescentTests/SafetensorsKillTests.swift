import Foundation
import Testing

@testable import Descent

/// A process that is killed at random moments while it saves in a loop leaves the last state or the one
/// before it, whole. `DESCENT_KILLS` says how often, for a longer run.
@Suite struct SafetensorsKillTests {
  private static func tensors(
    _ state: Int
  ) -> [(name: String, shape: [Int], values: [Float])] {
    ["x", "m", "v"].map { ($0, [64, 256], [Float](repeating: Float(state), count: 64 * 256)) }
  }

  private static func save(_ path: String, _ state: Int, shardSize: Int) throws {
    try saveTensors(
      path, tensors(state), metadata: ["state": "\(state)"], shardSize: shardSize)
  }

  /// The state at the path. Throws if it is not whole.
  private static func load(_ path: String) throws -> Int {
    let reader = try SafetensorsReader(path)
    try reader.verify()
    let state = try #require(Int(reader.metadata["state"] ?? ""))
    for tensor in tensors(state) {
      try #require(try reader.floats(tensor.name) == tensor.values)
    }
    return state
  }

  /// Forks children that save one state after the other, and kills each.
  private static func run(kills: Int, shardSize: Int, alternate: Bool = false) throws {
    typealias Fork = @convention(c) () -> pid_t
    let fork = unsafeBitCast(try #require(dlsym(nil, "fork")), to: Fork.self)
    let announced = try #require(
      mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
    ).bindMemory(to: Int.self, capacity: 1)
    func size(_ state: Int) -> Int { alternate && state % 2 == 0 ? .max : shardSize }
    try withTemporaryFolder { folder in
      let path = folder + "/state.safetensors"
      try save(path, 0, shardSize: size(0))
      let time = try ContinuousClock().measure { try save(path, 0, shardSize: size(1)) }
      // Up to three saves, so that some end and most are cut.
      let longest = UInt64(3 * (time / Duration.microseconds(1))) + 1
      var (state, torn) = (0, 0)
      for kill in 0..<kills {
        announced.pointee = state
        let child = fork()
        if child == 0 {
          for next in (state + 1)... {
            announced.pointee = next
            do { try save(path, next, shardSize: size(next)) } catch { _exit(1) }
          }
        }
        try #require(child > 0)
        usleep(UInt32(PinnedSteps.mix(UInt64(kill)) % longest))
        Foundation.kill(child, SIGKILL)
        var status: Int32 = 0
        waitpid(child, &status, 0)
        try #require(status & 0x7f == SIGKILL, "the child failed by itself")
        state = try load(path)
        try #require(
          state == announced.pointee || state == announced.pointee - 1,
          "\(state) is there, \(announced.pointee) was being saved")
        torn += try folderContents(folder).contains { $0.contains(".tmp-") } ? 1 : 0
      }
      print("\(kills) kills, \(torn) amidst a write, \(state) states saved")
      // Writing both generations of shards and the single file once more takes away what was left.
      for size in [shardSize, shardSize, .max] { try save(path, state, shardSize: size) }
      try #require(try folderContents(folder) == ["state.safetensors"])
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

  @Test("a single file")
  func file() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      try Self.run(kills: Self.kills, shardSize: .max)
    }
    print(String(decoding: result.standardOutputContent, as: UTF8.self))
  }

  @Test("a set of shards, also by turns with a single file")
  func shards() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      try Self.run(kills: Self.kills / 3, shardSize: 1 << 16)
      try Self.run(kills: Self.kills / 3, shardSize: 1 << 16, alternate: true)
    }
    print(String(decoding: result.standardOutputContent, as: UTF8.self))
  }
}
