extension Optimizer {
  /// The norm of the last step's gradient as it was given, before any scale, over all tensors that were
  /// not frozen; ∞ or NaN where the gradient was. nil if that step did not look at its gradient. The same
  /// number on every engine. Waits for the step.
  public var lastNorm: Double? {
    get throws {
      guard lastStepLooked else { return nil }
      return try markingTornSteps { try engine.lastDecision().norm }
    }
  }

  /// The loss scale after the last step; nil where there is none. Waits for that step.
  public var lossScale: LossScale? {
    get throws {
      guard var scale = control.lossScale else { return nil }
      let last = try markingTornSteps { try engine.lastDecision() }
      (scale.scale, scale.stepsSinceChange) = (last.lossScale, last.stepsSinceChange)
      return scale
    }
  }

  /// Sets a loss scale that every step divides out of its gradients, and that follows what it finds; nil
  /// takes it away. `gradientScale` multiplies beside it. Waits for enqueued steps.
  ///
  /// A step divides by the scale as the step before has left it: read ``lossScale`` before each loss.
  public func setLossScale(_ scale: LossScale?) throws {
    try scale?.validate()
    try collect(wait: true)
    try engine.setLossScale(scale)
    control.lossScale = scale
  }
}
