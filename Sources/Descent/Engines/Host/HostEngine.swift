internal import DescentKernels
import Logging

/// The common part of engines over host memory: storage of the states, and steps that are decided
/// immediately.
protocol HostEngine: Engine {
  var states: HostStates { get }
  var control: descent_control { get set }
  /// Steps that were decided since they were last collected.
  var decided: DecidedSteps { get set }
}

extension HostEngine {
  var launchesPerStep: Int { 0 }
  var stepsInFlight: Int { 0 }
  func lastHeard() -> StepDecision { StepDecision(control) }
  // There are no programs to log, and no step is only enqueued.
  func log(to logger: Logger?) {}
  func checkEnqueued() {}
  func forgetEnqueued() {}

  func collect(wait: Bool) -> DecidedSteps {
    defer { decided = DecidedSteps() }
    return decided
  }

  /// Counts the step that ``control`` has decided.
  func countDecision() {
    decided.applied += control.isSkipped == 0 ? 1 : 0
    decided.skipped += control.isSkipped == 0 ? 0 : 1
  }

  func setLossScale(_ scale: LossScale?) { control.set(scale) }

  func lastDecision() -> StepDecision { StepDecision(control) }

  func dropAverage() { states.dropAverage() }

  func read(_ vector: StateVector, _ range: Range<Int>, into destination: ElementPointer) {
    guard let state = states[vector] else { return }
    destination.copy(from: state + range.lowerBound, count: range.count)
  }

  func write(_ vector: StateVector, _ range: Range<Int>, from source: ElementPointer) throws {
    let state = try states[vector] ?? states.makeAverageIfNeeded()
    (state + range.lowerBound).copy(from: source, count: range.count)
  }
}
