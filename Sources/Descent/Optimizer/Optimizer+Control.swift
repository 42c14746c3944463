extension Optimizer {
  /// The norm N of the last step's gradient, which ``Clipping`` compares with its limit: without
  /// the loss scale that this gradient had, times the step's `gradientScale`, before it is clipped,
  /// over all tensors that were neither frozen nor left out. With accumulated gradients it is that
  /// of their sum.
  ///
  /// ∞ or NaN where the gradient was. nil if that step did not read its gradient first: without
  /// norm clipping, skipping and loss scale none does. The same number on every engine. Waits for
  /// the step.
  public var lastNorm: Double? {
    get throws {
      guard lastStepLooked else { return nil }
      return try markingTornSteps { try engine.lastDecision().norm }
    }
  }

  /// Whether the last step was skipped, because its gradient was not finite; nil if that step did
  /// not read its gradient first, or before the first step. Waits for the step.
  public var lastStepWasSkipped: Bool? {
    get throws {
      guard lastStepLooked else { return nil }
      return try markingTornSteps { try engine.lastDecision().isSkipped }
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

  /// Sets a loss scale. Every step divides its gradients by the scale and adjusts it to what it
  /// finds; nil removes it. `gradientScale` multiplies in addition. Waits for enqueued steps.
  ///
  /// A step divides by the scale as the step before has left it: read ``lossScale`` before each
  /// loss. Several optimizers share a scale by ``LossScale/fixed``. Throws ``DescentError`` for
  /// numbers that would not scale.
  public func setLossScale(_ scale: LossScale?) throws {
    try scale?.validate()
    try collect(wait: true)
    try engine.setLossScale(scale)
    control.lossScale = scale
  }
}
