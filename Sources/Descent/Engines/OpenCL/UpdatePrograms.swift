#if OpenCL
internal import DescentKernels
import Logging
import OpenCLHost

/// The OpenCL programs of one rule and device.
struct UpdatePrograms {
  let rule: CompiledRule
  let context: Context
  var logger: Logger?

  /// The configuration that update.cl is compiled for.
  struct Kind: Hashable {
    var operands: [Operand]
    /// The shapes of the numbers that the pass reads.
    var numbers: [StateShape] = []
    /// Whether the launches are over tables of blocks.
    var isTable = false
    /// Whether the device decides about the step.
    var isControlled = false
    /// Of a pass that sums its terms itself, by term, whether their squares are summed.
    var fused: [Bool] = []

    var overTable: Kind {
      var kind = self
      kind.isTable = true
      return kind
    }

    /// The macros that say so.
    var defines: [String] {
      func mask(_ isSet: (Operand) -> Bool) -> Int {
        operands.enumerated().reduce(0) { $0 | (isSet($1.element) ? 1 << $1.offset : 0) }
      }
      var result = [
        "OPERANDS=\(operands.count)", "WRITTEN=\(mask(\.isWritten))",
        "UNREAD=\(mask { !$0.isRead })",
      ]
      let types = operands.enumerated().reduce(UInt64(0)) {
        $0 | UInt64($1.element.elementType.code) << (4 * $1.offset)
      }
      if types != 0 { result.append("TYPES=\(types)UL") }
      if !numbers.isEmpty {
        let shapes = numbers.enumerated().reduce(0) { $0 | $1.element.code << (2 * $1.offset) }
        result += ["NUMBERS=\(numbers.count)", "SHAPES=\(shapes)"]
      }
      for (name, macro) in [
        (Operand.Name.remainder, "REMAINDER"), (.master, "MASTER"), (.sum, "SUM"),
        (.average, "AVERAGE"),
      ] {
        if let index = operands.firstIndex(where: { $0.name == name }) {
          result.append("\(macro)=\(index)")
        }
      }
      if !fused.isEmpty {
        let squares = fused.enumerated().reduce(0) { $0 | ($1.element ? 1 << $1.offset : 0) }
        result += ["FUSED", "TERMS=\(fused.count)", "SQUARES=\(squares)", "SPACE=local"]
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
      [.lanes, .storage, .elements, .states, .beside, .prepare]
        + (kind.isControlled || !kind.fused.isEmpty ? [.norm] : [])
        + (kind.fused.isEmpty ? [] : [.itemTile]) + [.rule(rule), .update],
      defines: shape.defines + [
        "STATES=\(rule.stateCount)", "VARIANT=\(rule.variant)", "PASS=\(rule.pass)",
      ]
        + kind.defines)
  }
}

extension StateShape {
  /// The value that kernels use.
  fileprivate var code: Int {
    switch self {
    case .rows: Int(DESCENT_ROWS)
    case .columns: Int(DESCENT_COLUMNS)
    case .tensor: Int(DESCENT_TENSOR)
    case .model, .parameter: Int(DESCENT_MODEL)
    }
  }
}
#endif
