import Descent
import DescentTestSupport
import Foundation
import Testing

@testable import Figures

/// The guarantees of every figure: its caption is also its description for readers who cannot see
/// it, every engine that is bit-identical to the reference gives the same results, and the picture
/// has the bytes of the golden file, `Goldens/NAME.svg`.
func expectPromises(
  of figure: Figure, found result: FigureResult, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  #expect(
    result.svg.contains("<desc>\(Drawing.escaped(result.caption))</desc>"),
    sourceLocation: sourceLocation)
  #expect(result.measured.allSatisfy { $0.value.isFinite }, sourceLocation: sourceLocation)
  for engine in try TestEngines.each().dropFirst() {
    let other = try figure.make(engine)
    #expect(
      other.digest == result.digest && other.svg == result.svg,
      "\(figure.name) differs on \(engine)", sourceLocation: sourceLocation)
  }
  let folder = try #require(Bundle.module.url(forResource: "Goldens", withExtension: nil))
  let golden = try String(
    contentsOf: folder.appending(path: figure.name + ".svg"), encoding: .utf8)
  #expect(
    result.svg == golden, "\(figure.name).svg differs from its golden file",
    sourceLocation: sourceLocation)
}
