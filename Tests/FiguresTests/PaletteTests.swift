import Foundation
import Testing

@testable import Figures

/// Contrast and colour vision, by the formulas of WCAG 2 and of Machado, Oliveira & Fernandes
/// ("A physiologically-based model for simulation of color vision deficiency", 2009).
@Suite struct PaletteTests {
  private typealias Colour = [Double]

  private func linear(_ hex: String) -> Colour {
    let number = Int(hex.dropFirst(), radix: 16) ?? 0
    return [16, 8, 0].map { shift in
      let channel = Double(number >> shift & 255) / 255
      return channel <= 0.04045 ? channel / 12.92 : pow((channel + 0.055) / 1.055, 2.4)
    }
  }

  private func product(_ matrix: [[Double]], _ colour: Colour) -> Colour {
    matrix.map { row in zip(row, colour).reduce(0) { $0 + $1.0 * $1.1 } }
  }

  private func contrast(_ a: String, _ b: String) -> Double {
    let luminances = [a, b].map { product([[0.2126, 0.7152, 0.0722]], linear($0))[0] + 0.05 }
    return max(luminances[0] / luminances[1], luminances[1] / luminances[0])
  }

  /// OKLab (Ottosson 2020), in which equal distances look about equally large.
  private func lab(_ colour: Colour) -> Colour {
    let cones = product(
      [
        [0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
      ], colour.map { min(max($0, 0), 1) })
    return product(
      [
        [0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
      ], cones.map(cbrt))
  }

  private let sights: [[[Double]]] = [
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [
      [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
      [-0.003882, -0.048116, 1.051998],
    ],
    [
      [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
      [-0.011820, 0.042940, 0.968881],
    ],
  ]

  @Test func linesStandOutFromTheGround() {
    for colour in Palette.colours {
      #expect(contrast(colour.light, Drawing.ground.light) >= 3, "\(colour)")
      #expect(contrast(colour.dark, Drawing.ground.dark) >= 3, "\(colour)")
    }
  }

  @Test func everyTwoColoursDiffer() {
    for scheme in [Palette.colours.map(\.light), Palette.colours.map(\.dark)] {
      for sight in sights {
        let colours = scheme.map { lab(product(sight, linear($0))) }
        for (index, a) in colours.enumerated() {
          for b in colours[..<index] {
            let distance = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
            #expect(distance > 0.08)
          }
        }
      }
    }
  }

  @Test func dashesDifferWithinARoundAndColoursWithTheSameDashesToo() {
    let styles = (0..<81).map { "\($0 % 9) \(Palette.dashes($0))" }
    #expect(Set(styles).count == 81)
    #expect(Set((0..<9).map(Palette.dashes)).count == 9)
  }
}
