import DescentTestSupport
import Testing

@testable import Descent

@Suite struct YogiTests {
  @Test("v moves towards g² by (1 − β₂)g², and stays where it is that")
  func moves() throws {
    for choice in try TestEngines.choices() {
      let optimizer = try Optimizer(
        Yogi(beta2: 0.75, initialAccumulator: 4), layout: ParameterLayout(count: 3), on: choice)
      var x: [Float] = [0, 0, 0]
      try optimizer.step(&x, gradients: [1, 2, -4])
      #expect(try optimizer.state("v") == [3.75, 4, 8])
      try optimizer.step(&x, gradients: [0, 0, .nan])
      #expect(try Array(optimizer.state("v").prefix(2)) == [3.75, 4])
      #expect(try optimizer.state("v")[2].isNaN && x[2].isNaN)
    }
  }
}
