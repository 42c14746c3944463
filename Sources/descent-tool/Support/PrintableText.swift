extension String {
  /// The text with every control but line breaks and tabs written out: names come from files and
  /// drivers, and a terminal obeys control characters.
  var escapedForTerminal: String { escaped { $0 != "\n" && $0 != "\t" && $0.isObeyed } }

  /// The same as one line.
  var escapedAsLine: String { escaped(where: \.isObeyed) }

  /// A JSON document whose controls beyond ASCII are written out.
  var escapedForJSON: String {
    guard unicodeScalars.contains(where: { $0.value > 126 && $0.isObeyed }) else { return self }
    return unicodeScalars.reduce(into: "") { text, scalar in
      if scalar.value > 126 && scalar.isObeyed {
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
  }

  private func escaped(where isObeyed: (Unicode.Scalar) -> Bool) -> String {
    guard unicodeScalars.contains(where: isObeyed) else { return self }
    return unicodeScalars.reduce(into: "") { text, scalar in
      if isObeyed(scalar) {
        text += scalar.escaped(asASCII: true)
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
  }
}

extension Unicode.Scalar {
  /// Whether a terminal may act on it: the controls of ASCII and those from U+0080 on, separators
  /// of lines, and what turns the direction of the text.
  fileprivate var isObeyed: Bool {
    switch properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    default: (0x202a...0x202e).contains(value) || (0x2066...0x2069).contains(value)
    }
  }
}
