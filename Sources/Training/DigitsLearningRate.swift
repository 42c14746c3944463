import Descent

extension UpdateRule {
  /// A learning rate that trains the handwritten digits of the examples well.
  package static var digitsLearningRate: Double { digitsLearningRates[name] ?? Self().learningRate }
}

/// By the names of rules whose default is another.
private let digitsLearningRates = [
  "sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.05, "rmsprop": 1e-3, "adam": 2e-3,
  "adamw": 2e-3, "amsgrad": 2e-3, "novograd": 0.01,
]
