import Logging

#if OpenCL
import OpenCLHost
#endif

extension Optimizer {
  /// Logs steps that were just found to have been skipped, with the known values of the latest.
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

  /// The settings that a state replaces, with old and new values, and whether accumulated gradients
  /// are dropped. Empty without a logger.
  func replacedSettings(
    _ status: OptimizerStatus, _ fit: GroupFit
  ) -> [(name: String, change: String)] {
    if logger == nil { return [] }
    var changes: [(name: String, change: String)] = []
    func compare<Value: Equatable>(_ name: String, _ old: Value?, _ new: Value?) {
      guard old != new else { return }
      func text(_ value: Value?) -> String { value.map { "\($0)" } ?? "none" }
      changes.append((name, "\(text(old)) → \(text(new))"))
    }
    if AnyHashable(rule) != AnyHashable(status.rule) {
      changes.append(("rule", "\(rule) → \(status.rule)"))
    }
    compare("schedule", schedule, status.schedule)
    compare("clipping", clipping, status.clipping)
    compare("skipsNonFinite", skipsNonFinite, status.skipsNonFinite)
    // The current scale, without the count of steps to its next change.
    var (scale, other) = (try? lossScale, status.lossScale)
    scale?.stepsSinceChange = 0
    other?.stepsSinceChange = 0
    compare("lossScale", scale, other)
    compare("averaging", averaging, status.averaging)
    compare("leftOut", leftOut.sorted(), status.leftOut.sorted())
    compare("accumulatedCount", accumulatedCount, 0)
    for (index, name) in groups.names.enumerated() {
      compare("group \(name)", groups.groups[index], fit.groups[index].settings)
    }
    return changes
  }

  /// Logs settings that were just replaced by those of a state.
  func logReplaced(_ changes: [(name: String, change: String)], by origin: String) {
    guard let logger, !changes.isEmpty else { return }
    let names = changes.map(\.name).joined(separator: ", ")
    logger.notice(
      "settings are replaced by those of \(origin): \(names)",
      metadata: Logger.Metadata(
        uniqueKeysWithValues: changes.map { ($0.name, "\($0.change)") }))
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
