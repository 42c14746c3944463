import DescentTestSupport
import Testing

@testable import Descent

/// How work is cut for threads and for work-groups.
@Suite struct LaunchChoiceTests {
  @Test("DESCENT_THREADS is a whole number from 1 up, or as good as not there")
  func threads() throws {
    #expect(try Descent.threads(in: nil) == nil && Descent.threads(in: "") == nil)
    #expect(try Descent.threads(in: "3") == 3)
    for wrong in ["0", "-1", "two", "1.5", " 2"] {
      #expect(
        message { _ = try Descent.threads(in: wrong) }
          == "DESCENT_THREADS is \"\(wrong)\"; allowed is a whole number from 1 up")
    }
  }

  #if OpenCL
  @Test("a table's groups suit its elements, not the number of its runs")
  func tables() {
    let shape = LaunchShape(lanes: 16, groupSize: 256)
    func chosen(_ runs: [Int], isProcessor: Bool = true) -> Int {
      shape.forTable(ofRuns: runs, isProcessor: isProcessor).groupSize
    }
    #expect(chosen([1, 1 << 30, 1]) == 256)
    #expect(chosen(Array(repeating: 1000, count: 2000)) == 64)
    #expect(chosen(Array(repeating: 10, count: 2000)) == 1)
    #expect(chosen(Array(repeating: 10, count: 2000), isProcessor: false) == 64)
    #expect(chosen([]) == 256)
  }
  #endif
}
