/// Where to evaluate and what to publish, for a rule whose steps update another point: each
/// parameter x and one of the rule's states s give x + factor · s, rounded after the product and
/// after the sum.
public struct EvaluationPoint: Hashable, Sendable {
  /// The name of the state.
  public var state: String
  /// What the state is multiplied by, as a `Float`.
  public var factor: Double

  /// The point x + `factor` · `state`.
  public init(state: String, factor: Double) { (self.state, self.factor) = (state, factor) }
}
