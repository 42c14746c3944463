import Descent

/// The rules that the guide's figures compare with each other, in the order of their colours.
package enum ComparedRules {
  /// The types, each once.
  package static let all: [any UpdateRule.Type] = [
    SGD.self, Momentum.self, Nesterov.self, AdaGrad.self, RMSProp.self, AdaDelta.self, Adam.self,
    AdamW.self, AMSGrad.self,
  ]
}
