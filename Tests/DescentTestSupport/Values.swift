import Descent
import Testing
import Verification

/// Bit patterns, with NaN as one number.
package func bits(_ values: [Float]) -> [UInt32] {
  values.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern }
}

/// What an error says, or `no error`.
package func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch {
    return "\(error)"
  }
}

/// SplitMix64 over a counter.
package struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = PinnedSteps.mix(seed) }

  package mutating func next() -> UInt64 {
    state &+= 1
    return PinnedSteps.mix(state)
  }
}

extension RuleVariant: CustomTestStringConvertible {
  public var testDescription: String { name }
}
