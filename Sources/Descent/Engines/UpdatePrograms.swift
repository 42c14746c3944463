#if OpenCL
internal import DescentKernels
import OpenCLHost

/// The OpenCL programs of one rule, device and shape.
struct UpdatePrograms {
  let rule: CompiledRule
  let context: Context
  let shape: LaunchShape

  /// A kernel of one optimizer's own: over `count` elements of one group, or over a table of blocks.
  func kernel(table: Bool) throws -> Kernel {
    var options =
      "-cl-std=CL1.2 -DLANES=\(shape.lanes) -DGROUP=\(shape.groupSize) "
      + "-DSTATES=\(rule.stateCount) -DVARIANT=\(rule.variant)"
    if table { options += " -DTABLE" }
    if context.device.hasCorrectlyRoundedDivideAndSquareRoot {
      options += " -cl-fp32-correctly-rounded-divide-sqrt"
    }
    let around = descent_program_texts()
    let parts: [(name: String, text: String)] = [
      ("list.inc", String(cString: around.options)),
      ("lanes.cl", String(cString: around.lanes)),
      ("prepare.cl", String(cString: around.prepare)),
      (rule.file, rule.text),
      ("update.cl", String(cString: around.update)),
    ]
    return try Program(context, sources: parts, options: options).kernel(named: "update")
  }
}
#endif
