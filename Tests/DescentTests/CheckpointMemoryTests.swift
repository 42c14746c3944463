import DescentTestSupport
import Foundation
import Testing

@testable import Descent

#if os(Linux)
/// Saving and loading take a few pieces of memory, not a second copy of the model.
@Suite struct CheckpointMemoryTests {
  /// Kilobytes of this process, by the kernel's name for them.
  private static func kilobytes(_ name: String) throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix(name + ":") })
    return try #require(Int(line.filter(\.isNumber)))
  }

  /// How many more kilobytes the body takes at once than there were before it.
  private static func growth(_ body: () throws -> Void) throws -> Int {
    // Sets the greatest size so far back to the present one.
    try "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
    let before = try kilobytes("VmRSS")
    try body()
    return try kilobytes("VmHWM") - before
  }

  @Test(
    "saving and loading a model of 32 MiB",
    .enabled(if: access("/proc/self/clear_refs", W_OK) == 0, "the kernel tells no greatest size"))
  func pieces() async {
    await #expect(processExitsWith: .success) {
      try withTemporaryFolder { folder in
        let path = folder + "/run.safetensors"
        let layout = try ParameterLayout(count: 4 << 20)
        let optimizer = try Optimizer(Momentum(), layout: layout, on: .cpu(threads: 1))
        var parameters = [Float](repeating: 1, count: layout.count)
        try optimizer.step(&parameters, gradients: parameters)
        try optimizer.save(to: path, parameters: parameters)
        let saving = try Self.growth { try optimizer.save(to: path, parameters: parameters) }
        let loading = try Self.growth { try optimizer.load(from: path, parameters: &parameters) }
        // Either vector is 16 MiB.
        #expect(saving < 6 << 10 && loading < 6 << 10, "\(saving) and \(loading) KiB")
      }
    }
  }
}
#endif
