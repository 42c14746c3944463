import DescentTestSupport
import Foundation
import Testing

@testable import Safetensors

/// A process that is killed at random moments while it saves in a loop leaves the last complete
/// state or the one before it. `DESCENT_KILLS` is the number of kills, for a longer run.
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

  /// The state at the path. Throws if it is not complete.
  private static func load(_ path: String) throws -> Int {
    let reader = try SafetensorsReader(path)
    try reader.verify()
    let state = try #require(Int(reader.metadata["state"] ?? ""))
    for tensor in tensors(state) {
      try #require(try reader.floats(tensor.name) == tensor.values)
    }
    return state
  }

  private static func run(kills: Int, shardSize: Int, alternate: Bool = false) throws {
    func size(_ state: Int) -> Int { alternate && state % 2 == 0 ? .max : shardSize }
    try withTemporaryFolder { folder in
      let path = folder + "/state.safetensors"
      try save(path, 0, shardSize: size(0))
      var processes = try KilledProcesses(savingTo: folder) {
        try save(path, 0, shardSize: size(1))
      }
      var state = 0
      for _ in 0..<kills {
        state = try processes.kill(from: state) { next, begins in
          begins()
          try save(path, next, shardSize: size(next))
        } load: {
          try load(path)
        }
      }
      try processes.report(last: state)
      // Writing both generations of shards and the single file once more removes all leftovers.
      for size in [shardSize, shardSize, .max] { try save(path, state, shardSize: size) }
      try #require(try folderContents(folder) == ["state.safetensors"])
    }
  }

  @Test("a single file")
  func file() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      try Self.run(kills: KilledProcesses.usual, shardSize: .max)
    }
    print(String(decoding: result.standardOutputContent, as: UTF8.self))
  }

  @Test("a set of shards, also by turns with a single file")
  func shards() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      try Self.run(kills: KilledProcesses.usual / 3, shardSize: 1 << 16)
      try Self.run(kills: KilledProcesses.usual / 3, shardSize: 1 << 16, alternate: true)
    }
    print(String(decoding: result.standardOutputContent, as: UTF8.self))
  }
}
