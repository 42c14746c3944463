/// How a gradient is kept from being too large, after it has been scaled and before the rule sees
/// it.
///
/// Norms are taken of the scaled gradient, in one order of operations on every engine. A norm that
/// is not finite clips nothing: such a step is skipped.
public enum Clipping: Hashable, Codable, Sendable {
  /// g ← min(1, limit/(N + ε)) g for the norm N of the gradients of all tensors that are clipped
  /// together: the whole model's, or a group's if the group has a clipping of its own. ε is 0 in
  /// Optax and Keras, 1e-6 in PyTorch's `clip_grad_norm_`.
  case globalNorm(_ limit: Double, epsilon: Double = 0)
  /// The same for each tensor alone, as Keras' `clipnorm`.
  case tensorNorm(_ limit: Double, epsilon: Double = 0)
  /// Every element to −limit … limit; NaN stays NaN.
  case value(_ limit: Double)

  /// Throws ``DescentError/value(of:given:allowed:)`` unless the limit is a positive Float and ε is
  /// at least 0.
  func validate() throws(DescentError) {
    let (limit, epsilon) =
      switch self {
      case .globalNorm(let limit, let epsilon), .tensorNorm(let limit, let epsilon):
        (limit, epsilon)
      case .value(let limit): (limit, 0)
      }
    guard Float(limit).isFinite, limit.isPositiveAsFloat else {
      throw .value(
        of: "clipping: limit", given: "\(limit)",
        allowed: "a positive number that a Float can hold")
    }
    let allowed = Hyperparameter<Clipping>.Allowed.atLeastZero
    guard allowed.contains(epsilon) else {
      throw .value(
        of: "clipping: epsilon", given: "\(epsilon)", allowed: allowed.description)
    }
  }

  var isNorm: Bool { if case .value = self { false } else { true } }

  /// What a value is clamped to: ∞ where it is not.
  var valueLimit: Double { if case .value(let limit) = self { limit } else { .infinity } }

  /// The greatest norm allowed, and ε: ∞ where the norm is free.
  var normLimit: (limit: Double, epsilon: Double) {
    switch self {
    case .globalNorm(let limit, let epsilon), .tensorNorm(let limit, let epsilon): (limit, epsilon)
    case .value: (.infinity, 0)
    }
  }
}
