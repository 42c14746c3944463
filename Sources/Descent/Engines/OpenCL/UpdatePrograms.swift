#if OpenCL
import Logging
import OpenCLHost

/// The OpenCL programs of one rule and device.
struct UpdatePrograms {
  let rule: CompiledRule
  let context: Context
  var logger: Logger?

  /// What update.cl is asked to do beyond the update of one group.
  struct Options: OptionSet, Hashable {
    let rawValue: Int
    static let table = Options(rawValue: 1)
    static let controlled = Options(rawValue: 2)
    static let zeroing = Options(rawValue: 4)
    static let accumulated = Options(rawValue: 8)
    static let averaged = Options(rawValue: 16)

    /// The macros that ask update.cl for them.
    var defines: [String] {
      let names: [(Options, String)] = [
        (.table, "TABLE"), (.controlled, "CONTROLLED"), (.zeroing, "ZEROING"),
        (.accumulated, "ACCUMULATED"), (.averaged, "AVERAGED"),
      ]
      return names.filter { contains($0.0) }.map(\.1)
    }
  }

  /// A kernel of one optimizer's own.
  func kernel(_ asked: Options, _ shape: LaunchShape) throws -> Kernel {
    try program(asked, shape).make(in: context, logger: logger).kernel(named: "update")
  }

  func program(_ asked: Options, _ shape: LaunchShape) -> ProgramText {
    ProgramText(
      rule.name,
      [.lanes, .states, .beside, .prepare] + (asked.contains(.controlled) ? [.norm] : [])
        + [.rule(rule), .update],
      defines: shape.defines + ["STATES=\(rule.stateCount)", "VARIANT=\(rule.variant)"]
        + asked.defines)
  }
}
#endif
