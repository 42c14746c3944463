/// The average of the Schedule-Free methods (Defazio et al. 2024, arXiv:2405.15682): the rate of a
/// step, its weight in the average x, and how x follows from the parameters y and the state z.
///
///     ηₜ = η · min(1, t/warmupSteps)
///     wₜ = t^stepPower · (max ηₖ for k ≤ t)^learningRatePower
///     C = wₜ / Σw
///     x = y + (1 − β)/β · (y − z)
struct ScheduleFreeAverage {
  let learningRate, warmupSteps, stepPower, learningRatePower: Double
  /// β, the share of x in y.
  let share: Double
  /// The hyper-parameter that β is.
  let shareName: String

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

  var evaluationPoint: EvaluationPoint {
    EvaluationPoint(state: "z", factor: (1 - share) / share, ofDistance: true)
  }

  /// As ``UpdateRule/conflict``.
  var conflict: String? {
    share == 0 ? "\(shareName) of 0 leaves nothing of the average in the parameters" : nil
  }

  /// As ``UpdateRule/validate(after:)``, for the rule of that name.
  func validate(after last: ScheduleFreeAverage, of rule: String) throws {
    guard share == last.share else {
      throw DescentError.combination(
        rule: rule,
        reason: "the parameters were made with a \(shareName) of \(last.share), not of \(share)")
    }
  }
}
