/// A drawing, written as SVG text; the same calls give the same bytes.
///
/// Text and everything else that is drawn in `currentColor` follows the reader's light or dark
/// scheme. The drawing has its own background, so that it is legible on any page. Lengths are in
/// pixels of the drawing; y points down.
package struct Drawing: Sendable {
  struct Point: Equatable, Sendable {
    var x: Double
    var y: Double
  }

  package enum Anchor: String, Sendable { case start, middle, end }

  /// An animation that starts by itself and repeats for ever, in straight lines between keys.
  struct Motion: Sendable {
    var seconds: Double
    /// The element's offset from its position, at increasing times from 0 to 1, both included.
    var keys: [(time: Double, offset: Point)]
  }

  static let fontSize = 14.0
  /// The background of the drawing, in the light and in the dark scheme.
  package static let ground = (light: "#ffffff", dark: "#0d1117")

  let width: Double
  let height: Double
  private let title: String
  private let description: String
  private var lightRules: [String]
  private var darkRules: [String]
  private var stillRules: [String] = []
  private var elements: [String] = []

  /// - Parameter title: the name of the drawing for screen readers; the description has the rest.
  init(width: Double, height: Double, title: String, description: String) {
    self.width = width
    self.height = height
    self.title = title
    self.description = description
    lightRules = [
      ".drawing{color:#1f2328;font:\(Self.number(Self.fontSize))px system-ui,sans-serif}",
      ".drawing text{fill:currentColor}",
      ".drawing path{fill:none;stroke:currentColor}",
      ".drawing .ground{fill:\(Self.ground.light)}",
    ]
    darkRules = [".drawing{color:#e6edf3}", ".drawing .ground{fill:\(Self.ground.dark)}"]
  }

  /// Sets the style of a class of elements, and its differences in the dark scheme.
  mutating func style(_ name: String, _ declarations: String, dark: String? = nil) {
    lightRules.append(".drawing .\(name){\(declarations)}")
    if let dark { darkRules.append(".drawing .\(name){\(dark)}") }
  }

  /// Sets the differences for readers who prefer reduced motion.
  mutating func styleWithoutMotion(_ name: String, _ declarations: String) {
    stillRules.append(".drawing .\(name){\(declarations)}")
  }

  /// Another drawing as a part of this one, without its background. Classes of one name have the
  /// same style in both.
  mutating func embed(_ other: Drawing, at point: Point) {
    let place = [("x", point.x), ("y", point.y), ("width", other.width), ("height", other.height)]
    elements.append(
      "<svg role=\"img\" " + place.map { "\($0)=\"\(Self.number($1))\"" }.joined(separator: " ")
        + ">")
    elements.append("<title>\(Self.escaped(other.title))</title>")
    elements.append("<desc>\(Self.escaped(other.description))</desc>")
    elements += other.elements
    elements.append("</svg>")
    func add(_ rules: [String], to own: inout [String]) {
      own += rules.filter { !own.contains($0) }
    }
    add(other.lightRules, to: &lightRules)
    add(other.darkRules, to: &darkRules)
    add(other.stillRules, to: &stillRules)
  }

  /// A line through the points. A single point is a dot if the class has round line caps.
  mutating func path(_ points: [Point], class names: String, dashes: String = "") {
    guard let first = points.first else { return }
    let rest = points.count == 1 ? "h0" : points.dropFirst().map { "L" + Self.pair($0) }.joined()
    let dashes = dashes.isEmpty ? "" : " stroke-dasharray=\"\(dashes)\""
    elements.append("<path class=\"\(names)\"\(dashes) d=\"M\(Self.pair(first))\(rest)\"/>")
  }

  /// The area inside closed outlines, as one element. Without motion it stays in place.
  mutating func area(_ outlines: [[Point]], class names: String, motion: Motion? = nil) {
    let data = outlines.map { "M" + $0.map(Self.pair).joined(separator: "L") + "Z" }.joined()
    guard !data.isEmpty else { return }
    let content = motion.map { ">\(Self.animation($0))</path>" } ?? "/>"
    elements.append("<path class=\"\(names)\" d=\"\(data)\"\(content)")
  }

  private static func animation(_ motion: Motion) -> String {
    let times = motion.keys.map { number($0.time, decimals: 4) }.joined(separator: ";")
    let offsets = motion.keys.map { "\(number($0.offset.x)),\(number($0.offset.y))" }
      .joined(separator: ";")
    return "<animateMotion dur=\"\(number(motion.seconds))s\" repeatCount=\"indefinite\""
      + " calcMode=\"linear\" keyTimes=\"\(times)\" values=\"\(offsets)\"/>"
  }

  /// A line of text whose baseline is at the point's height.
  mutating func text(
    _ text: String, at point: Point, anchor: Anchor = .start, class names: String? = nil
  ) {
    let names = names.map { " class=\"\($0)\"" } ?? ""
    let anchor = anchor == .start ? "" : " text-anchor=\"\(anchor.rawValue)\""
    let place = "x=\"\(Self.number(point.x))\" y=\"\(Self.number(point.y))\""
    elements.append("<text\(names) \(place)\(anchor)>\(Self.escaped(text))</text>")
  }

  var svg: String {
    let size = "\(Self.number(width)) \(Self.number(height))"
    let head = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"drawing\" role=\"img\""
        + " width=\"\(Self.number(width))\" height=\"\(Self.number(height))\""
        + " viewBox=\"0 0 \(size)\" style=\"max-width:100%;height:auto\">",
      "<title>\(Self.escaped(title))</title>",
      "<desc>\(Self.escaped(description))</desc>",
      "<style>",
    ]
    let rules =
      lightRules + ["@media (prefers-color-scheme:dark){"] + darkRules + ["}"]
      + (stillRules.isEmpty
        ? [] : ["@media (prefers-reduced-motion:reduce){"] + stillRules + ["}"])
    let ground = "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>"
    let lines = head + rules + ["</style>", ground] + elements + ["</svg>"]
    return lines.joined(separator: "\n") + "\n"
  }

  /// The number with at most two decimals by default, a hundredth of a pixel, and never an
  /// exponent.
  static func number(_ value: Double, decimals: Int = 2) -> String {
    guard value.isFinite else { return "0" }
    let unit = (0..<decimals).reduce(1) { unit, _ in unit * 10 }
    let units = Int((min(max(value, -1e9), 1e9) * Double(unit)).rounded())
    let (whole, rest) = units.magnitude.quotientAndRemainder(dividingBy: UInt(unit))
    let sign = units < 0 ? "-" : ""
    guard rest > 0 else { return sign + "\(whole)" }
    // The leading 1 keeps the zeros after the point.
    var digits = "\(rest + UInt(unit))".dropFirst()
    while digits.last == "0" { digits.removeLast() }
    return sign + "\(whole)." + digits
  }

  /// The text as XML character data; characters that XML does not allow become U+FFFD.
  package static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\t", "\n", "\r": result += " "
      case "\0"..<" ", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The width of the text in a wide sans-serif font; an estimate, since fonts differ.
  static func widthOfText(_ text: String) -> Double {
    text.reduce(0) { width, character in
      switch character {
      case "m", "w", "M", "W", "—", "…", "%", "@": width + fontSize
      case "f", "i", "j", "l", "r", "t", "I", " ", ".", ",", ":", "'", "(", ")":
        width + fontSize * 0.42
      default: width + fontSize * (character.isASCII && !character.isUppercase ? 0.65 : 0.8)
      }
    }
  }

  /// The text in lines of at most this width, broken at spaces; a longer word has a line of its
  /// own.
  static func wrapped(_ text: String, width: Double) -> [String] {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      let longer = lines.last.map { $0 + " " + word }
      if let longer, widthOfText(longer) <= width {
        lines[lines.count - 1] = longer
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }

  private static func pair(_ point: Point) -> String { "\(number(point.x)) \(number(point.y))" }
}
