/// The parts of a step over one kind of memory, as an engine does them. ``take(_:)`` puts them in
/// order, once for all engines.
protocol Stepper {
  associatedtype Completion

  /// Makes what the step needs: plans, kernels, memory. It changes no vector.
  mutating func prepare(_ step: StepInput) throws

  /// Copies the parameters to what begins with this step as a copy of them: the average, and
  /// states.
  mutating func copyParameters(_ step: StepInput) throws

  /// Puts the groups' preparations and scalars where kernels read them.
  mutating func writeValues(_ step: StepInput) throws

  /// Sums the gradient, and decides from it whether the step is taken and how it is clipped.
  mutating func decide(_ step: StepInput) throws

  /// Runs a pass of every program that has so many: over all elements that the engine owns, today
  /// the whole layout. Where the step is skipped, gradients are zeroed all the same.
  mutating func run(pass: Int, _ step: StepInput) throws

  mutating func finish(_ step: StepInput) throws -> Completion
}

extension Stepper {
  mutating func take(_ step: StepInput) throws -> Completion {
    try prepare(step)
    if step.statesBegin || step.average?.begins == true { try copyParameters(step) }
    try writeValues(step)
    if step.control.looks { try decide(step) }
    for pass in 0..<step.groups.programs.passCount { try run(pass: pass, step) }
    return try finish(step)
  }
}
