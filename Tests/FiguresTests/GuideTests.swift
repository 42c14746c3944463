import Foundation
import Testing

@testable import Figures

/// The guide "Optimizers, seen" contains the results of the experiments.
@Suite struct GuideTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../..").standardizedFileURL

  private func text(_ path: String) throws -> String {
    try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
  }

  /// All figures except those that train on the digits: `exp` of another C library may change their
  /// last digits. They have their own tests.
  static let figures = Figure.all.map { $0.name }.filter {
    !["real-data", "rates-per-weight"].contains($0)
  }

  @Test("there are twenty figures, each with a name of its own")
  func names() {
    #expect(Figure.all.count == 20)
    #expect(Set(Figure.all.map { $0.name }).count == 20)
  }

  @Test(
    "the guide shows every figure with the caption that the experiment gives", arguments: figures)
  func captions(_ name: String) throws {
    let figure = try #require(Figure.all.first { $0.name == name })
    let result = try figure.make(.cpu)
    let guide = try text("Documentation/Optimizers.md")
    #expect(guide.contains("](figures/\(name).svg)\n\n*\(result.caption)*\n"))
    #expect(try text("Documentation/figures/\(name).svg") == result.svg)
    #expect(result.measured.allSatisfy { $0.value.isFinite })
  }

  @Test("the guide shows the figures that train on the digits")
  func trained() throws {
    let guide = try text("Documentation/Optimizers.md")
    for name in ["real-data", "rates-per-weight"] {
      #expect(guide.contains("](figures/\(name).svg)"))
      #expect(try text("Documentation/figures/\(name).svg").hasPrefix("<svg"))
    }
  }

  @Test("the DocC article is the guide")
  func article() throws {
    let guide = try text("Documentation/Optimizers.md")
    #expect(
      try text("Sources/Descent/Descent.docc/Optimizers.md")
        == guide.replacingOccurrences(of: "](figures/", with: "]("))
  }
}
