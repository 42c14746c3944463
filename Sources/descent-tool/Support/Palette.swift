/// Colours and dashes by which lines can be told apart.
///
/// The hues are those of Okabe & Ito ("Color universal design", 2008) and a wine red, lightened or
/// darkened until each has a contrast of at least 3 to the ground and every two differ for normal,
/// protanopic and deuteranopic sight.
enum Palette {
  static let colours: [(light: String, dark: String)] = [
    ("#3c97da", "#69b9f5"), ("#af4210", "#c14504"), ("#1ea183", "#3ddf96"),
    ("#c67e00", "#d09117"), ("#711f5d", "#ab4990"), ("#212121", "#eeeeee"),
    ("#af3393", "#d97493"), ("#4c4222", "#ecf327"), ("#616ed7", "#027fde"),
  ]

  /// A dash pattern for the series; nine of them, then again with other colours.
  static func dashes(_ index: Int) -> String {
    let round = index / colours.count
    return dashPatterns[(index + round) % dashPatterns.count]
  }

  private static let dashPatterns = [
    "", "8 3", "2 2", "8 3 2 3", "14 3", "4 2", "14 3 2 3", "8 3 2 3 2 3", "5 5",
  ]
}
