/// What tensors of one group do otherwise than the rule says.
///
/// ```swift
/// try layout.append("bias", shape: [768], group: "no decay")
/// try layout.setGroup("no decay", to: ParameterGroup(weightDecay: 0))
/// ```
public struct ParameterGroup: Hashable, Codable, Sendable {
  /// The group of tensors that name none.
  public static let defaultName = "default"

  /// Multiplies the rule's learning rate, or the schedule's.
  public var learningRateFactor: Double {
    didSet { if learningRateFactor != oldValue { pyTorch = nil } }
  }

  /// Takes the place of the rule's λ; nil leaves it.
  public var weightDecay: Double?

  /// Whether parameters and states stay as they are. A frozen group counts no steps: unfrozen
  /// later, its bias correction begins where it stopped.
  public var isFrozen: Bool

  /// How the group's gradients are clipped, apart from all others; nil follows the optimizer.
  public var clipping: Clipping?

  /// What came from PyTorch for its schedulers alone. It changes no step, and no group differs by
  /// it from another.
  var pyTorch: PyTorch?

  /// Settings that do nothing otherwise, unless they are given. A layout or an optimizer that takes
  /// them refuses invalid numbers.
  public init(
    learningRateFactor: Double = 1, weightDecay: Double? = nil, isFrozen: Bool = false,
    clipping: Clipping? = nil
  ) {
    self.learningRateFactor = learningRateFactor
    self.weightDecay = weightDecay
    self.isFrozen = isFrozen
    self.clipping = clipping
  }

  public static func == (a: ParameterGroup, b: ParameterGroup) -> Bool {
    a.learningRateFactor == b.learningRateFactor && a.weightDecay == b.weightDecay
      && a.isFrozen == b.isFrozen && a.clipping == b.clipping
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(learningRateFactor)
    hasher.combine(weightDecay)
    hasher.combine(isFrozen)
    hasher.combine(clipping)
  }

  /// The rule as this group takes it.
  func applied(to rule: any UpdateRule) -> any UpdateRule {
    var rule = rule
    rule.learningRate *= learningRateFactor
    if let weightDecay { rule.weightDecay = weightDecay }
    return rule
  }

  /// Throws ``DescentError/value(of:given:allowed:)`` for a number that is not allowed.
  func validate(_ name: String) throws(DescentError) {
    let allowed = Hyperparameter<ParameterGroup>.Allowed.atLeastZero
    for (what, value) in [
      ("learningRateFactor", learningRateFactor), ("weightDecay", weightDecay ?? 0),
    ] where !allowed.contains(value) {
      throw .value(
        of: "group \"\(name)\": \(what)", given: "\(value)", allowed: allowed.description)
    }
    try clipping?.validate()
  }
}
