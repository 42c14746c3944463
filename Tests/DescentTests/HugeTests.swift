import DescentTestSupport
import Foundation
import Testing

@testable import Descent

#if OpenCL
import OpenCLHost
#endif

/// Vectors that no 32-bit index and no single allocation holds: `make test-huge`.
@Suite(
  .serialized,
  .enabled(
    if: ProcessInfo.processInfo.environment["DESCENT_HUGE"] != nil,
    "needs 12 GB of memory: make test-huge"))
struct HugeTests {
  /// Memory of zeros that is there once it is touched.
  private static func zeros(_ count: Int) throws -> UnsafeMutableBufferPointer<Float> {
    let memory = try #require(calloc(count, MemoryLayout<Float>.stride))
    return UnsafeMutableBufferPointer(
      start: memory.bindMemory(to: Float.self, capacity: count), count: count)
  }

  @Test("more than 2³¹ elements on the CPU engine")
  func moreThan31Bits() throws {
    let count = (1 << 31) + (1 << 16) + 17
    let x = try Self.zeros(count)
    let g = try Self.zeros(count)
    defer {
      free(x.baseAddress)
      free(g.baseAddress)
    }
    // Around every power of two where an index could turn over, and at both ends.
    let marks = [0, 1, 1 << 16, 1 << 29, 1 << 30, 1 << 31, count - 1].flatMap { [$0 - 1, $0] }
      .filter { (0..<count).contains($0) }
    for (index, mark) in marks.enumerated() { g[mark] = Float(index + 1) }
    let optimizer = try Optimizer(
      SGD(learningRate: 1), layout: ParameterLayout(count: count), on: .cpu)
    try optimizer.step(x, gradients: UnsafeBufferPointer(g))
    for (index, mark) in marks.enumerated() where marks.lastIndex(of: mark) == index {
      #expect(x[mark] == -g[mark] && g[mark] != 0, "element \(mark)")
    }
    #expect(x.count { $0 != 0 } == Set(marks).count)
  }

  #if OpenCL
  @Test("vectors of several allocations give the CPU engine's bits", .needsDevice)
  func segments() throws {
    for queue in try TestDevices.queues.get() {
      let allowed = queue.device.largestAllocation / MemoryLayout<Float>.stride
      let count = min(allowed * 5 / 2 + 17, 200_000_000)
      try #require(count > allowed, "the device allows too much; set POCL_MEMORY_LIMIT=1")
      let layout = try ParameterLayout(count: count)
      var digests: [Digest] = []
      for (choice, launches) in [(EngineChoice.cpu, 0), (.openCL(queue), 3)] {
        let optimizer = try Optimizer(Momentum(), layout: layout, on: choice)
        let x = try Self.zeros(count)
        let g = try Self.zeros(count)
        defer {
          free(x.baseAddress)
          free(g.baseAddress)
        }
        for i in 0..<count { g[i] = Float(i % 1021) - 500 }
        for _ in 0..<2 { try optimizer.step(x, gradients: UnsafeBufferPointer(g)) }
        #expect(optimizer.launchesPerStep == launches)
        var digest = Digest(Array(x))
        digest.combine(try optimizer.state("b"))
        digests.append(digest)
      }
      #expect(digests[0] == digests[1])
    }
  }
  #endif
}
