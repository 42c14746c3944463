/// How weight decay enters a step with the rule's step u at the rate η.
///
/// Sources: Krogh & Hertz 1992 (coupled); Loshchilov & Hutter 2019, arXiv:1711.05101 (decoupled);
/// You et al. 2020, arXiv:1904.00962 (inside the rule); Xie et al. 2022, arXiv:2208.06677
/// (proximal).
public enum WeightDecay: Hashable, Sendable {
  /// None.
  case none
  /// g ← g + λx, before the rule sees the gradient.
  case coupled(Double)
  /// x ← x − (u + ηλx), in one subtraction.
  case decoupled(Double)
  /// The rule's formula has λ among its scalars; nothing is added outside it.
  case insideRule(Double)
  /// x ← (x − u)/(1 + ηλ), as x ← x − (u + ηλx)/(1 + ηλ). The rule's scalars divide u.
  case proximal(Double)

  /// λ.
  public var strength: Double {
    switch self {
    case .none: 0
    case .coupled(let strength), .decoupled(let strength), .insideRule(let strength),
      .proximal(let strength):
      strength
    }
  }

  /// What the gradient is moved by, as a factor of x.
  var ofGradient: Double {
    if case .coupled(let strength) = self { strength } else { 0 }
  }

  /// What the step is moved by at the rate η, as a factor of x.
  func ofStep(learningRate: Double) -> Double {
    switch self {
    case .none, .coupled, .insideRule: 0
    case .decoupled(let strength): learningRate * strength
    case .proximal(let strength): learningRate * strength / (1 + learningRate * strength)
    }
  }
}

extension UpdateRule {
  /// Coupled or decoupled decay of the rule's λ, for rules that offer both.
  func decay(decoupled: Bool) -> WeightDecay {
    decoupled ? .decoupled(weightDecay) : .coupled(weightDecay)
  }
}
