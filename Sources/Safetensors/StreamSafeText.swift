extension String {
  /// The maximum number of combining marks in a row in a name or key from a file, as in Unicode's
  /// Stream-Safe Text Format (UAX #15).
  package static let maximumCombiningMarks = 30

  /// The reason given for a name or key that is not ``isStreamSafe``.
  package static let tooManyMarks =
    "more than \(maximumCombiningMarks) combining marks in a row, which no name or key may have"

  /// The first combining mark that follows ``maximumCombiningMarks`` others.
  ///
  /// Swift normalizes a string to hash it or to compare it, and sorts a run of combining marks in
  /// quadratic time: half a minute for 160 KB. So an untrusted text is checked before it is hashed
  /// or compared.
  package var firstExcessiveMark: Index? {
    if utf8.allSatisfy({ $0 < 0x80 }) { return nil }
    var run = 0
    for index in unicodeScalars.indices {
      run = unicodeScalars[index].isCombining ? run + 1 : 0
      if run > Self.maximumCombiningMarks { return index }
    }
    return nil
  }

  /// Whether the text has no ``firstExcessiveMark``.
  package var isStreamSafe: Bool { firstExcessiveMark == nil }
}

extension Unicode.Scalar {
  /// Whether it decomposes into scalars that normalization sorts.
  fileprivate var isCombining: Bool {
    switch value {
    case ..<0x300: false
    // Vowel signs of class 0 that decompose to two marks.
    case 0xf73, 0xf75, 0xf81: true
    default: properties.canonicalCombiningClass != .notReordered
    }
  }
}

extension String {
  /// Whether the text begins with these bytes. `hasPrefix` compares Characters, and a combining
  /// mark after the prefix would be part of the last one.
  package func startsWithBytes(_ prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

  /// Whether the text ends with these bytes.
  func endsWithBytes(_ suffix: String) -> Bool {
    utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
  }

  /// Whether the bytes are the same. `==` normalizes both texts first, as hashing does.
  package func hasBytes(of other: String) -> Bool { utf8.elementsEqual(other.utf8) }

  /// The text without its first `count` bytes, the last of which must end a scalar.
  func droppingBytes(_ count: Int) -> String {
    String(self[utf8.index(startIndex, offsetBy: count)...])
  }
}
