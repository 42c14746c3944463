#if OpenCL
import Logging
import OpenCLHost

/// The OpenCL programs of one rule and device.
struct UpdatePrograms {
  let rule: CompiledRule
  let context: Context
  var logger: Logger?

  /// What update.cl is asked for.
  struct Kind: Hashable {
    var operands: [Operand]
    /// Whether the launches are over tables of blocks.
    var isTable = false
    /// Whether the device decides about the step.
    var isControlled = false

    var overTable: Kind {
      var kind = self
      kind.isTable = true
      return kind
    }

    /// The macros that say so.
    var defines: [String] {
      let written = operands.enumerated().reduce(0) {
        $0 | ($1.element.isWritten ? 1 << $1.offset : 0)
      }
      var result = ["OPERANDS=\(operands.count)", "WRITTEN=\(written)"]
      for (name, macro) in [(Operand.Name.sum, "SUM"), (.average, "AVERAGE")] {
        if let index = operands.firstIndex(where: { $0.name == name }) {
          result.append("\(macro)=\(index)")
        }
      }
      return result + (isTable ? ["TABLE"] : []) + (isControlled ? ["CONTROLLED"] : [])
    }
  }

  /// A kernel of one optimizer's own.
  func kernel(_ kind: Kind, _ shape: LaunchShape) throws -> Kernel {
    try program(kind, shape).make(in: context, logger: logger).kernel(named: "update")
  }

  func program(_ kind: Kind, _ shape: LaunchShape) -> ProgramText {
    ProgramText(
      rule.name,
      [.lanes, .states, .beside, .prepare] + (kind.isControlled ? [.norm] : [])
        + [.rule(rule), .update],
      defines: shape.defines + ["STATES=\(rule.stateCount)", "VARIANT=\(rule.variant)"]
        + kind.defines)
  }
}
#endif
