extension Curve {
  /// As files and errors call it.
  var name: String {
    switch self {
    case .constant: "constant"
    case .linear: "linear"
    case .step: "step"
    case .multiStep: "multiStep"
    case .exponential: "exponential"
    case .polynomial: "polynomial"
    case .cosine: "cosine"
    case .cosineRestarts: "cosineRestarts"
    case .inverseRoot: "inverseRoot"
    case .inverseTime: "inverseTime"
    case .knots: "knots"
    case .custom: "custom"
    case .refused(let schedule, _, _, _): schedule
    }
  }

  /// Throws ``DescentError/value(of:given:allowed:)`` for a number out of its range.
  func validate() throws(DescentError) {
    switch self {
    case .constant(let rate):
      try check("rate", rate, .atLeastZero)
    case .linear(let a, let b, let steps), .cosine(let a, let b, let steps):
      try check("from", a, .atLeastZero)
      try check("to", b, .atLeastZero)
      try check("steps", steps, atLeast: 0)
    case .step(let rate, let factor, let steps), .exponential(let rate, let factor, let steps):
      try check("rate", rate, .atLeastZero)
      try check("factor", factor, .aboveZero)
      try check("every", steps, atLeast: 1)
    case .multiStep(let rate, let factor, let milestones):
      try check("rate", rate, .atLeastZero)
      try check("factor", factor, .aboveZero)
      for (index, milestone) in milestones.enumerated() {
        try check("milestone", milestone, atLeast: index == 0 ? 0 : milestones[index - 1])
      }
    case .polynomial(let a, let b, let steps, let power):
      try check("from", a, .atLeastZero)
      try check("to", b, .atLeastZero)
      try check("steps", steps, atLeast: 0)
      try check("power", power, .aboveZero)
    case .cosineRestarts(let a, let b, let steps, let lengthFactor, let peakFactor):
      try check("from", a, .atLeastZero)
      try check("to", b, .atLeastZero)
      try check("steps", steps, atLeast: 1)
      try check("lengthFactor", lengthFactor, atLeast: 1)
      try check("peakFactor", peakFactor, .aboveZero)
    case .inverseRoot(let rate, let timescale):
      try check("rate", rate, .atLeastZero)
      try check("timescale", timescale, atLeast: 1)
    case .inverseTime(let rate, let decay, let steps):
      try check("rate", rate, .atLeastZero)
      try check("decay", decay, .atLeastZero)
      try check("every", steps, atLeast: 1)
    case .knots(let knots, _): try validate(knots)
    case .custom: break
    case .refused(_, let argument, let value, let allowed):
      throw violation(argument, value, allowed)
    }
  }

  private func validate(_ knots: [Schedule.Knot]) throws(DescentError) {
    try check("number of knots", knots.count, atLeast: 1)
    for (index, knot) in knots.enumerated() {
      try check("rate", knot.rate, .atLeastZero)
      if !knot.time.isFinite { throw violation("time", knot.time, "a finite number") }
      if index > 0 && knot.time <= knots[index - 1].time {
        throw violation("time", knot.time, "one after \(knots[index - 1].time)")
      }
    }
  }

  func check(
    _ name: String, _ value: Double, _ allowed: Hyperparameter<Schedule>.Allowed
  ) throws(DescentError) {
    // A rate is computed in Double, and may underflow to 0 as a Float.
    if case .atLeastZero = allowed, value > 0, !value.isPositiveAsFloat { return }
    if !allowed.contains(value) { throw violation(name, value, allowed.description) }
  }

  func check(_ name: String, _ value: Int, atLeast least: Int) throws(DescentError) {
    if value < least { throw violation(name, Double(value), "a number of at least \(least)") }
  }

  private func violation(_ name: String, _ value: Double, _ allowed: String) -> DescentError {
    .value(of: "schedule \(self.name): \(name)", given: "\(value)", allowed: allowed)
  }
}
