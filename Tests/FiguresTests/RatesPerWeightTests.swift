import Descent
import DescentTestSupport
import Testing

@testable import Figures
@testable import Training

@Suite struct RatesPerWeightTests {
  #if DEBUG
  /// Debug builds compute the gradients some forty times more slowly.
  static func found(on digits: Dataset) throws -> FigureResult {
    try RatesPerWeight(of: digits, on: .cpu, seeds: 1, hidden: 8, epochs: 2).result
  }
  #else
  static func found(on digits: Dataset) throws -> FigureResult {
    try RatesPerWeight(of: digits, on: .cpu).result
  }
  #endif

  static let digits = Result { try Digits.withUnitPixels(path: digitsPath) }
  static let found = Result { try found(on: digits.get()) }

  private func ratio(_ found: FigureResult) -> Double {
    found["adagrad rate, outer columns"] / found["adagrad rate, middle columns"]
  }

  @Test("pixels lie between 0 and 1, and what is empty stays 0")
  func pixels() throws {
    let digits = try Self.digits.get()
    let original = try Dataset.load(path: digitsPath)
    #expect(digits.features == original.features.map { $0 / 16 })
    #expect(digits.labels == original.labels)
  }

  /// Fails on standardised pixels, whose gradients all have about the same size. The test also
  /// checks that the ratio fails there.
  @Test("AdaGrad's rates are thirty times as high where there is hardly ever ink")
  func rates() throws {
    let found = try Self.found.get()
    #expect(ratio(found) > 30)
    #expect(found["pixels without ink"] == 3)
    let digits = try Self.digits.get()
    #expect(ratio(try Self.found(on: digits.standardised(by: digits))) < 10)
  }

  #if !DEBUG
  /// Fails with the rules' rates exchanged.
  @Test("AdaGrad is ahead after one epoch, and both arrive")
  func losses() throws {
    let found = try Self.found.get()
    #expect(found["adagrad loss, first epoch"] < 0.8 * found["sgd loss, first epoch"])
    #expect(found["adagrad loss, last epoch"] < 0.06)
    #expect(found["sgd loss, last epoch"] < 0.1)
  }

  /// Fails at half or twice SGD's rate, and at half of AdaGrad's.
  @Test("no other of 1, 2 and 5 times powers of ten is better by more than a tenth")
  func bestRates() throws {
    let digits = try Self.digits.get()
    func loss(_ rule: any UpdateRule) throws -> Double {
      try (1...10).map { seed in
        try RatesPerWeight.Run(rule, on: digits, seed: seed, hidden: 32, epochs: 20, engine: .cpu)
          .losses[20]
      }.mean
    }
    let (adaGrad, sgd) = (try loss(RatesPerWeight.adaGrad), try loss(RatesPerWeight.sgd))
    for rate in [0.05, 0.2, 0.5] {
      #expect(try loss(AdaGrad(learningRate: rate)) > 0.9 * adaGrad, "\(rate)")
    }
    for rate in [0.2, 1] { #expect(try loss(SGD(learningRate: rate)) > 0.9 * sgd, "\(rate)") }
  }
  #endif

  @Test("every engine finds the same")
  func engines() throws {
    let digits = try Self.digits.get()
    let digests = try TestEngines.each().map {
      try RatesPerWeight(of: digits, on: $0, seeds: 1, hidden: 4, epochs: 1).digest
    }
    #expect(Set(digests).count == 1)
  }

  /// The numbers are made up, since the C library's `exp` may round differently on another machine.
  @Test("the picture has the golden file's bytes")
  func picture() throws {
    let made = RatesPerWeight(
      seeds: 3, adaGradLosses: [2, 0.4, 0.1, 0.05], sgdLosses: [2, 1, 0.2, 0.02],
      rates: (0..<64).map { $0 == 7 ? nil : 0.1 * Double(1 << ($0 / 5)) }, digest: Digest())
    #expect(made.sheet("A caption.").svg() == (try golden("rates-per-weight-made-up")))
  }
}
