#if os(Linux)
import Descent
import Foundation
import Testing

@testable import descent_tool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

@Suite struct TrainingMemoryTests {
  @Test("a network that no memory holds is refused before it is made")
  func tooLarge() async {
    await #expect(processExitsWith: .success) {
      let dataset = try Dataset(
        bytes: Array("1,2,3,4,a\n5,6,7,8,b\n1,2,3,4,a\n5,6,7,8,b\n".utf8), file: "memory")
      let trainer = Trainer(training: dataset, test: dataset, hidden: 1_000_000)
      let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
      let mapped = try #require(Int(pages.split(separator: " ")[0])) * sysconf(Int32(_SC_PAGESIZE))
      var limit = rlimit()
      limit.rlim_cur = rlim_t(mapped + 64 << 20)
      limit.rlim_max = limit.rlim_cur
      try #require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
      // 5 vectors of 4 + 1 + 2 numbers for each unit, and 2 biases.
      #expect(throws: DescentError.memory(bytes: 5 * 4 * 7_000_002)) {
        try trainer.run(Adam(), on: .cpu)
      }
    }
  }
}
#endif
