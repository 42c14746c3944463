import Descent
import DescentTestSupport
import Foundation
import Testing

@testable import Figures
@testable import Training

/// A file of the test's goldens, without its extension.
func golden(_ name: String) throws -> String {
  let folder = try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil))
  return try String(contentsOf: folder.appending(path: name + ".svg"), encoding: .utf8)
}

@Suite struct RealDataTests {
  #if !DEBUG
  static let found = Result {
    try RealData(of: Dataset.load(path: digitsPath), on: .cpu).result
  }

  /// Fails for a rule at a thousandth of its rate.
  @Test("every method arrives")
  func arrives() throws {
    let found = try Self.found.get()
    for rule in ComparedRules.all {
      #expect(found["\(rule.name) accuracy"] > 96.5, "\(rule.name)")
      #expect(found["\(rule.name) loss"] < 0.03, "\(rule.name)")
    }
  }

  /// Fails for a rule at a hundredth of its rate.
  @Test("the seed moves every method more than the method moves the mean")
  func spread() throws {
    let found = try Self.found.get()
    let accuracies = ComparedRules.all.map { found["\($0.name) accuracy"] }
    let apart = (accuracies.max() ?? .nan) - (accuracies.min() ?? .nan)
    #expect(apart < 1.2)
    for rule in ComparedRules.all {
      #expect(found["\(rule.name) accuracy spread"] > 1.2 * apart, "\(rule.name)")
    }
  }

  /// Fails with the two exchanged.
  @Test("AdaGrad is at a loss of 0.1 within two epochs, RMSProp not within five")
  func speed() throws {
    let found = try Self.found.get()
    #expect(found["adagrad epochs"] <= 2)
    #expect(found["rmsprop epochs"] > 5)
  }
  #endif

  @Test("every engine finds the same")
  func engines() throws {
    let digits = try Dataset.load(path: digitsPath).split(seed: 1, testFraction: 0.1).test
    let digests = try TestEngines.each().map {
      try RealData(of: digits, on: $0, seeds: 2, epochs: 2, hidden: 8).result.digest
    }
    #expect(Set(digests).count == 1)
  }

  /// The numbers are made up, since the C library's `exp` may round differently on another machine.
  @Test("the picture has the golden file's bytes")
  func picture() throws {
    let rows = ComparedRules.all.enumerated().map { index, type in
      RealData.Row(
        type: type,
        outcomes: (1...3).map { seed in
          let loss = 0.01 * Double(index + seed)
          return Trainer.Outcome(
            losses: [2, 10 * loss, loss], finalLoss: loss,
            testAccuracy: 0.99 - 0.001 * Double(index * seed))
        })
    }
    #expect(
      RealData(rows: rows, epochs: 2).sheet("A caption.").svg() == (try golden("real-data-made-up"))
    )
  }
}
