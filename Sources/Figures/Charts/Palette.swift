/// Colours, dashes and marks that distinguish lines.
///
/// The hues are those of Okabe & Ito ("Color universal design", 2008) and a wine red, lightened or
/// darkened until each has a contrast of at least 3 to the background and every two differ for
/// normal, protanopic and deuteranopic sight.
enum Palette {
  static let colours: [(light: String, dark: String)] = [
    ("#3c97da", "#69b9f5"), ("#af4210", "#c14504"), ("#1ea183", "#3ddf96"),
    ("#c67e00", "#d09117"), ("#711f5d", "#ab4990"), ("#212121", "#eeeeee"),
    ("#af3393", "#d97493"), ("#4c4222", "#ecf327"), ("#616ed7", "#027fde"),
  ]

  /// A dash pattern for the series. There are nine of them, which repeat with other colours.
  static func dashes(_ index: Int) -> String {
    let round = index / colours.count
    return dashPatterns[(index + round) % dashPatterns.count]
  }

  private static let dashPatterns = [
    "", "8 3", "2 2", "8 3 2 3", "14 3", "4 2", "14 3 2 3", "8 3 2 3 2 3", "5 5",
  ]

  /// The outline of a mark for the series, around (0, 0) with a radius of about 1. There are nine
  /// of them.
  static func marker(_ index: Int) -> [Drawing.Point] {
    markers[index % markers.count].map { Drawing.Point(x: $0.0, y: $0.1) }
  }

  /// Circle, square, triangle, diamond, triangle on its tip, plus, star, cross, bow tie.
  private static let markers: [[(Double, Double)]] = [
    [
      (0, -0.95), (0.48, -0.82), (0.82, -0.48), (0.95, 0), (0.82, 0.48), (0.48, 0.82), (0, 0.95),
      (-0.48, 0.82), (-0.82, 0.48), (-0.95, 0), (-0.82, -0.48), (-0.48, -0.82),
    ],
    [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)],
    [(0, -1.1), (1, 0.75), (-1, 0.75)],
    [(0, -1.2), (0.9, 0), (0, 1.2), (-0.9, 0)],
    [(0, 1.1), (1, -0.75), (-1, -0.75)],
    [
      (-0.35, -1.05), (0.35, -1.05), (0.35, -0.35), (1.05, -0.35), (1.05, 0.35), (0.35, 0.35),
      (0.35, 1.05), (-0.35, 1.05), (-0.35, 0.35), (-1.05, 0.35), (-1.05, -0.35), (-0.35, -0.35),
    ],
    [
      (0, -1.25), (0.29, -0.4), (1.19, -0.39), (0.48, 0.15), (0.73, 1.01), (0, 0.5),
      (-0.73, 1.01), (-0.48, 0.15), (-1.19, -0.39), (-0.29, -0.4),
    ],
    [
      (-0.95, -0.5), (-0.5, -0.95), (0, -0.45), (0.5, -0.95), (0.95, -0.5), (0.45, 0),
      (0.95, 0.5), (0.5, 0.95), (0, 0.45), (-0.5, 0.95), (-0.95, 0.5), (-0.45, 0),
    ],
    [(-1, -0.85), (0, -0.2), (1, -0.85), (1, 0.85), (0, 0.2), (-1, 0.85)],
  ]
}
