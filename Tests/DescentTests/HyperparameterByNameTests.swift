import DescentTestSupport
import Testing

@testable import Descent

@Suite struct HyperparameterByNameTests {
  @Test("every hyper-parameter of every rule is got and set by name")
  func all() throws {
    for variant in Rules.all.flatMap({ $0.variants }) {
      var rule: any UpdateRule = type(of: variant.rule).init()
      for name in rule.hyperparameterNames {
        try rule.setHyperparameter(name, to: variant.rule.hyperparameter(name))
      }
      #expect(try isSame(rule, variant.rule), "\(variant.name)")
    }
  }

  private func isSame(_ rule: any UpdateRule, _ other: any UpdateRule) throws -> Bool {
    func compare<Rule: UpdateRule>(_ rule: Rule) -> Bool { rule == other as? Rule }
    return compare(rule)
  }

  @Test("a value that cannot be changes nothing")
  func refusals() {
    var adam = Adam()
    #expect(
      message { try adam.setHyperparameter("beta1", to: 1) }
        == "adam: beta1 is 1.0; allowed is a number of at least 0 and below 1 that a Float can hold"
    )
    #expect(
      message { try adam.setHyperparameter("beta1", to: nil) }.hasPrefix("adam: beta1 is nan"))
    #expect(
      message { try adam.setHyperparameter("maximize", to: 0.5) }
        == "adam: maximize is 0.5; allowed is 0 or 1")
    #expect(
      message { try adam.setHyperparameter("gamma", to: 0) }
        .hasPrefix("there is no hyper-parameter of adam \"gamma\"; there is learningRate, beta1"))
    #expect(adam == Adam())
    var adamW = AdamW()
    #expect(
      message { try adamW.setHyperparameter("decoupled", to: 0) }
        == "adamw: decoupled is 0.0; allowed is 1")
    #expect(throws: Never.self) { try adamW.setHyperparameter("decoupled", to: 1) }
  }
}
