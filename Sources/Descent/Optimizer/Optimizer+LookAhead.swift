extension Optimizer {
  /// Writes Nesterov's iterate W = φ + γV into `iterate`, from the parameters φ that steps update.
  /// The parameters stay as they are, and training may go on. W is what to evaluate and to publish; to go
  /// on later, φ is what to save.
  /// Parameters on a device are read back first.
  ///
  /// - Throws: ``DescentError/unsupported(_:)`` if the rule is not ``Nesterov``, and what reading a
  ///   state throws.
  public func writeIterate(from parameters: [Float], into iterate: inout [Float]) throws {
    try checkCount("parameters", parameters.count)
    try checkCount("iterate", iterate.count)
    let ahead = try lookAhead()
    withDefaultFloatingPoint {
      for tensor in layout.tensors {
        for i in tensor.range { iterate[i] = parameters[i] + ahead[i] }
      }
    }
  }

  /// Replaces the parameters φ by Nesterov's iterate W, at the end of training. Later steps throw
  /// ``DescentError/settled`` until ``reset()`` or
  /// ``restore(states:stepCount:groupStepCounts:)``.
  public func settle(_ parameters: inout [Float]) throws {
    let start = parameters
    try writeIterate(from: start, into: &parameters)
    isSettled = true
  }

  /// γV, what φ is short of W; nothing once settled.
  private func lookAhead() throws -> [Float] {
    guard let rule = rule as? Nesterov else {
      throw DescentError.unsupported(
        "only nesterov's parameters are a look-ahead point; \(type(of: rule).name)'s are the iterate"
      )
    }
    try checkStates()
    // Before a first step the rule is the coming step's, whose γ the point is ahead by.
    let momentum = (lastRule as? Nesterov)?.heldMomentum ?? rule.momentum
    let velocity = try state("b")
    return withDefaultFloatingPoint {
      let scale = isSettled ? 0 : Float(momentum)
      return velocity.map { scale * $0 }
    }
  }
}
