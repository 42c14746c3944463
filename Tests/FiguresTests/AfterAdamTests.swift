import Testing

@testable import Figures

/// The figures of the guide's chapter "After Adam": the numbers are as the claims say.
@Suite struct AfterAdamTests {
  static let figures: [Figure] = [
    .rectified, .signSteps, .decayNeeded, .withoutSchedule, .foundRate, .lengthsByTensor,
    .singularValues, .stateMemory,
  ]

  @Test("every figure keeps its promises", arguments: figures.indices)
  func promises(_ index: Int) throws {
    let figure = Self.figures[index]
    try expectPromises(of: figure, found: try figure.make(.cpu))
  }

  /// Fails without the rectification, and if the first steps are adapted too.
  @Test("RAdam begins with short steps, but for five that follow the gradients' size")
  func rectified() throws {
    let found = try Figure.rectified.make(.cpu)
    #expect(found["RAdam at 100, size 1"] < 0.5 * found["Adam at 100, size 1"])
    #expect(found["RAdam at 100, size 1"] < 0.5 * found["with a warm-up at 100, size 1"])
    let growth = found["Adam at 5, size 100"] / found["Adam at 5, size 1"]
    #expect(abs(growth - 1) < 0.05)
    #expect(found["RAdam at 5, size 100"] > 30 * found["RAdam at 5, size 1"])
  }

  /// Fails without the reset of small averages, and with a step that is no sign. Signum's average
  /// is 1 − 0.9¹⁰⁰ and Lion's 1 − 0.99¹⁰⁰ when the gradient ends.
  @Test("sign methods step by η everywhere, and for so long after the last gradient")
  func signs() throws {
    let found = try Figure.signSteps.make(.cpu)
    for name in ["signum", "lion"] {
      #expect(abs(found["\(name) shortest"] - 1) < 1e-6)
      #expect(abs(found["\(name) longest"] - 1) < 1e-6)
      #expect(found["\(name) way to the stop"] == found["\(name) steps to the stop"])
    }
    #expect(found["adam shortest"] < 0.2 && found["adam longest"] > 0.98)
    // ln 2⁻¹²⁶ / ln 0.9 is 828.9, and (ln 2⁻¹²⁶ − ln 0.634) / ln 0.99 is 8644.3; Lion mixes the
    // average with the gradient before it takes the sign.
    #expect(found["signum steps to the stop"] == 828)
    #expect((8600...8700).contains(found["lion steps to the stop"]))
    #expect(found["adam way to the stop"] < 11)
  }

  /// Fails where decay does not go by ηλ: e^(−ηλn) is 0.368 and 0.905.
  @Test("Lion at a tenth of the rate needs ten times the decay")
  func decay() throws {
    let found = try Figure.decayNeeded.make(.cpu)
    #expect(abs(found["AdamW, λ = 0.1"] - 0.368) < 0.03)
    #expect(abs(found["Lion, λ = 1"] - 0.368) < 0.03)
    #expect(abs(found["Lion, λ = 0.1"] - 0.905) < 0.03)
  }

  /// Fails at the parameters in place of the point to evaluate.
  @Test("Schedule-Free is near the cosine at the end, and before it at half the time")
  func schedules() throws {
    let found = try Figure.withoutSchedule.make(.cpu)
    #expect(found["Schedule-Free, end"] < 2 * found["cosine, end"])
    #expect(found["Schedule-Free, end"] < found["cosine, twice as long, end"] / 2)
    #expect(found["Schedule-Free, end"] < found["constant, end"] / 4)
    #expect(found["Schedule-Free, half"] < 0.7 * found["cosine, half"])
  }

  /// Fails where the estimate does not grow, or beyond the distance.
  @Test("Prodigy's estimate comes to a tenth of any distance within some steps")
  func rate() throws {
    let found = try Figure.foundRate.make(.cpu)
    for distance in ["0.10", "10", "1000"] {
      #expect((1...30).contains(found["arrival at \(distance)"]), "\(distance)")
      #expect((0.3...1).contains(found["end at \(distance)"]), "\(distance)")
    }
  }

  /// Fails without the ratio.
  @Test("LAMB's step is the rate's part of every tensor")
  func lengths() throws {
    let found = try Figure.lengthsByTensor.make(.cpu)
    #expect(abs(found["lamb shortest"] - 0.01) < 1e-5)
    #expect(abs(found["lamb longest"] - 0.01) < 1e-5)
    #expect(found["adamw longest"] > 5000 * found["adamw shortest"])
  }

  /// Fails with fewer steps, other coefficients, or without the division by the norm.
  @Test("Muon's singular values lie between 0.68 and 1.21 where they were above 0.003")
  func singularValues() throws {
    let found = try Figure.singularValues.make(.cpu)
    #expect(found["least before"] < 1e-4 && found["greatest before"] > 0.3)
    #expect(found["least above 0.003"] > 0.67 && found["greatest above 0.003"] < 1.21)
    #expect(found["least above 0.0003"] > 0.1)
  }

  @Test("states are as large as the documentation says")
  func memory() throws {
    let found = try Figure.stateMemory.make(.cpu)
    let expected = [
      "SGD": 0, "Momentum": 1, "Lion": 1, "Muon": 1, "AdamW": 2, "AMSGrad": 3, "Adan": 4,
      "LAMB": 2,
    ]
    for (name, count) in expected { #expect(found[name] == Double(count), "\(name)") }
    // A number for each row and column, and one for the tensor.
    let count = 96.0 * 384
    let (factored, normed) = (found["Adafactor"] * count, found["NovoGrad"] * count)
    #expect(factored == 481)
    #expect(normed == count + 1)
  }
}
