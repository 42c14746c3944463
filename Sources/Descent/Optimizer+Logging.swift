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

  /// Tells which settings of the caller's a state that is about to be taken replaces, and what they are.
  func logReplacedSettings(_ status: OptimizerStatus, _ fit: GroupFit) {
    guard let logger else { return }
    var replaced: [(name: String, value: String)] = []
    if AnyHashable(rule) != AnyHashable(status.rule) { replaced.append(("rule", "\(rule)")) }
    if let schedule, schedule != status.schedule { replaced.append(("schedule", "\(schedule)")) }
    if let clipping, clipping != status.clipping { replaced.append(("clipping", "\(clipping)")) }
    if skipsNonFinite && !status.skipsNonFinite { replaced.append(("skipsNonFinite", "true")) }
    if let averaging, averaging != status.averaging {
      replaced.append(("averaging", "\(averaging)"))
    }
    if !leftOut.isEmpty && leftOut != status.leftOut {
      replaced.append(("leftOut", leftOut.sorted().joined(separator: ", ")))
    }
    for (index, name) in groups.names.enumerated() {
      let own = groups.groups[index]
      if own != ParameterGroup() && own != fit.groups[index].settings {
        replaced.append(("group \(name)", "\(own)"))
      }
    }
    if replaced.isEmpty { return }
    logger.notice(
      "loading replaces settings by the state's: \(replaced.map(\.name).joined(separator: ", "))",
      metadata: Logger.Metadata(
        uniqueKeysWithValues: replaced.map { ($0.name, "\($0.value)") }))
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
