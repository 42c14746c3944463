extension Optimizer {
  /// Whether the parameters that steps update are not the point to evaluate and to publish, in any
  /// group: ``writeIterate(from:into:)`` gives that point.
  public var hasEvaluationPoint: Bool {
    let rules = groups.rules.isEmpty ? [rule] : groups.rules
    return rules.contains { $0.evaluationPoint(afterStep: false) != nil }
  }

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
    try checkStates()
    let points = groups.rules.indices.map(evaluationPoint)
    guard hasEvaluationPoint else {
      throw DescentError.unsupported(
        "only nesterov's parameters are a look-ahead point; \(type(of: rule).name)'s are the iterate"
      )
    }
    let places = Dictionary(uniqueKeysWithValues: zip(groups.names, points))
    for tensor in layout.tensors {
      guard !isSettled, let point = places[tensor.group] ?? nil else {
        for i in tensor.range { iterate[i] = parameters[i] }
        continue
      }
      let values = try state(point.state, of: tensor.name)
      withDefaultFloatingPoint {
        let factor = Float(point.factor)
        for (i, value) in zip(tensor.range, values) { iterate[i] = parameters[i] + factor * value }
      }
    }
  }

  /// Where to evaluate a group's parameters as they are.
  private func evaluationPoint(ofGroup index: Int) -> EvaluationPoint? {
    // Before a first step the rule is the coming step's.
    let last = groups.own[index] == nil ? lastRule : groups.lastOwn[index]
    return last?.evaluationPoint(afterStep: true)
      ?? groups.rules[index].evaluationPoint(afterStep: false)
  }

  /// Replaces the parameters φ by Nesterov's iterate W, at the end of training. Later steps throw
  /// ``DescentError/settled`` until ``reset()`` or
  /// ``restore(states:stepCount:groupStepCounts:)``.
  public func settle(_ parameters: inout [Float]) throws {
    let start = parameters
    try writeIterate(from: start, into: &parameters)
    isSettled = true
  }
}
