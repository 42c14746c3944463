#if OpenCL
internal import DescentKernels
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
  }

  /// A kernel of one optimizer's own.
  func kernel(_ asked: Options, _ shape: LaunchShape) throws -> Kernel {
    var options =
      "-cl-std=CL1.2 -DLANES=\(shape.lanes) -DGROUP=\(shape.groupSize) "
      + "-DSTATES=\(rule.stateCount) -DVARIANT=\(rule.variant)"
    if asked.contains(.table) { options += " -DTABLE" }
    if asked.contains(.controlled) { options += " -DCONTROLLED" }
    if asked.contains(.zeroing) { options += " -DZEROING" }
    if asked.contains(.accumulated) { options += " -DACCUMULATED" }
    if asked.contains(.averaged) { options += " -DAVERAGED" }
    if context.device.hasCorrectlyRoundedDivideAndSquareRoot {
      options += " -cl-fp32-correctly-rounded-divide-sqrt"
    }
    let around = descent_program_texts()
    var parts: [(name: String, text: String)] = [
      ("types.h", String(cString: around.types)),
      ("lanes.cl", String(cString: around.lanes)),
      ("beside.cl", String(cString: around.beside)),
      ("prepare.cl", String(cString: around.prepare)),
    ]
    if asked.contains(.controlled) { parts.append(("norm.cl", String(cString: around.norm))) }
    parts += [
      (rule.file, rule.text),
      ("update.cl", String(cString: around.update)),
    ]
    return try Program.cached(context, sources: parts, options: options) {
      logger?.program(rule.name, $0, options: options)
    }.kernel(named: "update")
  }
}
#endif
