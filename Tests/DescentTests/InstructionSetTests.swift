import DescentTestSupport
import Testing

@testable import Descent

/// The tables of Kernels/cpu and Swift's names for them.
@Suite struct InstructionSetTests {
  @Test("every table of this architecture has a name in Swift, and is found by it")
  func tables() throws {
    let names = HostKernels.tables.map { String(cString: $0.pointee.name) }
    #if arch(x86_64)
    #expect(names == InstructionSet.allCases.map(\.rawValue))
    #else
    #expect(names == ["baseline"])
    #endif
    for table in HostKernels.tables {
      let set = try #require(InstructionSet(rawValue: String(cString: table.pointee.name)))
      #expect(set.isAvailable == table.pointee.isSupported())
      #expect(set.lanes == (set.isAvailable ? Int(table.pointee.lanes) : nil))
    }
  }

  @Test("the wider set has the wider vectors; every processor has the baseline")
  func lanes() {
    let lanes = InstructionSet.available.compactMap(\.lanes)
    #expect(lanes == Array([4, 8, 16].prefix(lanes.count)))
    #expect(InstructionSet.available.first == .baseline)
    #expect(InstructionSet.best == InstructionSet.available.last)
  }

  @Test("a set that this processor does not have is refused by name")
  func unknown() throws {
    for set in InstructionSet.allCases where !set.isAvailable {
      #expect(
        message { _ = try HostKernels(set) }
          == "there is no instruction set of this processor \"\(set)\"; there is "
          + InstructionSet.available.map(\.rawValue).joined(separator: ", "))
    }
  }
}
