/// Where to evaluate and what to publish, for a rule whose steps update another point: each
/// parameter x and one of the rule's states s give x + factor · s or x + factor · (x − s), rounded
/// after each operation.
public struct EvaluationPoint: Hashable, Sendable {
  /// The name of the state.
  public var state: String
  /// What is multiplied by it, as a `Float`: the state, or the parameter's distance from it.
  public var factor: Double
  /// Whether the distance x − s is multiplied, rather than s.
  public var ofDistance: Bool

  /// The point x + `factor` · `state`, or x + `factor` · (x − `state`).
  public init(state: String, factor: Double, ofDistance: Bool = false) {
    (self.state, self.factor, self.ofDistance) = (state, factor, ofDistance)
  }
}
