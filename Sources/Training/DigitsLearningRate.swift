import Descent

extension UpdateRule {
  /// A learning rate that trains the handwritten digits of the examples well.
  package static var digitsLearningRate: Double { digitsLearningRates[name] ?? Self().learningRate }
}

extension UpdateRule {
  /// Whether the rule trains on all examples at once: Rprop compares the signs of two gradients,
  /// which differ between small batches.
  static var needsWholeBatches: Bool { Self.self == Rprop.self }
}

/// The rates by rule name, for rules whose default rate is another.
private let digitsLearningRates = [
  "sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.05, "rmsprop": 1e-3, "adam": 2e-3,
  "adamw": 2e-3, "amsgrad": 2e-3, "adamax": 5e-3, "radam": 5e-3, "rprop": 3e-3, "lion": 3e-4,
  "novograd": 0.01,
]
