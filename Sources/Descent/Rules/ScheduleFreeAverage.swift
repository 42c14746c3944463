/// The average of the Schedule-Free methods (Defazio et al. 2024, arXiv:2405.15682): the rate of a
/// step, and its weight in the average.
///
///     ηₜ = η · min(1, t/warmupSteps)
///     wₜ = t^stepPower · (max ηₖ for k ≤ t)^learningRatePower
///     C = wₜ / Σw
struct ScheduleFreeAverage {
  let learningRate, warmupSteps, stepPower, learningRatePower: Double

  /// The numbers that are kept from step to step.
  static let history = [HistoryValue("maximumLearningRate"), HistoryValue("weightSum")]

  /// ηₜ and C of a step, by which the history moves on.
  func advance(_ history: inout [Double], at step: Int) -> (rate: Double, weight: Double) {
    let done = Double(step) / warmupSteps
    let rate = done < 1 ? learningRate * done : learningRate
    history[0] = max(history[0], rate)
    let scale = power(history[0], learningRatePower)
    // Bounded, so that the sum of all steps is finite.
    let weight = scale == 0 ? 0 : min(power(Double(step), stepPower) * scale, 0x1p960)
    history[1] += weight
    // Rates of 0 so far have left the average where it was.
    return (rate, history[1] == 0 ? 0 : weight / history[1])
  }
}

extension EvaluationPoint {
  /// The average x of a Schedule-Free method, of its parameters y = (1 − β)z + βx.
  static func scheduleFree(beta: Double) -> EvaluationPoint {
    EvaluationPoint(state: "z", factor: (1 - beta) / beta, ofDistance: true)
  }
}
