import Logging

#if OpenCL
import OpenCLHost
#endif

extension Optimizer {
  /// Tells of steps that were just found to have been skipped, with what is known of the latest.
  func logSkippedSteps(_ steps: Int) {
    guard let logger else { return }
    let last = engine.lastHeard()
    var metadata: Logger.Metadata = [
      "steps": "\(steps)", "skippedStepCount": "\(skippedSteps)", "stepCount": "\(appliedSteps)",
      "norm": "\(last.norm)",
    ]
    if control.lossScale != nil { metadata["lossScale"] = "\(last.lossScale)" }
    logger.notice("skipped: the gradient was not finite", metadata: metadata)
  }
}

extension Logger {
  /// Which engine was chosen.
  func engine(_ name: String, because reason: String) {
    info("updates run on \(name): \(reason)", metadata: ["engine": "\(name)"])
  }

  #if OpenCL
  /// That a program was built or loaded.
  func program(_ name: String, _ origin: ProgramOrigin, options: String) {
    debug(
      "\(origin.rawValue) the OpenCL program of \(name)",
      metadata: ["origin": "\(origin.rawValue)", "options": "\(options)"])
  }
  #endif
}
