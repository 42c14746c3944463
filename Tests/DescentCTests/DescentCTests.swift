import CCaller
import CDescent
import Descent
import DescentC
import Testing

@Suite struct DescentCTests {
  @Test("a caller in C gets known bits, and codes and sentences for its mistakes")
  func caller() { #expect(descent_c_checks() == 0) }

  @Test("the C functions leave the bits of the Swift ones, for every variant")
  func sameBits() throws {
    for variant in Rules.all.flatMap({ $0.variants }) where !variant.rule.needsOptimizer {
      let rule = variant.rule
      let handle = try #require(descent_rule_create(type(of: rule).name))
      defer { descent_rule_destroy(handle) }
      for name in rule.hyperparameterNames {
        let status = descent_rule_set(handle, name, try rule.hyperparameter(name) ?? .nan)
        #expect(status == DESCENT_OK, "\(variant.name) \(name)")
      }
      let count = 1000
      var x = (0..<count).map { Float($0) * 0.01 - 3 }
      var states = rule.stateNames.map {
        [Float](repeating: Float(rule.initialValue(ofState: $0)), count: count)
      }
      var (y, others) = (x, states.flatMap { $0 })
      for step in 1...3 {
        let gradients = (0..<count).map { Float(($0 + step) % 17) * 0.1 - 0.6 }
        try rule.update(&x, gradients: gradients, states: &states, step: step, gradientScale: 0.5)
        others.withUnsafeMutableBufferPointer { memory in
          let pointers = states.indices.map { index in
            memory.baseAddress.map { $0 + index * count }
          }
          #expect(descent_update(handle, &y, gradients, pointers, count, Int64(step), 0.5) == 0)
        }
      }
      #expect(x == y && states.flatMap { $0 } == others, "\(variant.name)")
    }
  }

  @Test("what went wrong is told to the thread on which it did")
  func threads() async {
    await withTaskGroup(of: Bool.self) { group in
      for index in 0..<16 {
        group.addTask {
          // No suspension between the two, so they are on one thread.
          descent_rule_create("rule\(index)") == nil
            && String(cString: descent_error()).hasPrefix("there is no rule \"rule\(index)\"")
        }
      }
      for await isOwn in group { #expect(isOwn) }
    }
  }
}
