extension String {
  /// The most combining marks in a row that a name or key from outside may have, as in Unicode's
  /// Stream-Safe Text Format (UAX #15).
  package static let maximumCombiningMarks = 30

  /// Why a name or key is refused that is not ``isStreamSafe``.
  package static let tooManyMarks =
    "more than \(maximumCombiningMarks) combining marks in a row, which no name or key may have"

  /// The first combining mark that follows ``maximumCombiningMarks`` others.
  ///
  /// Swift normalizes a string to hash it or to compare it, and sorts a run of combining marks in
  /// quadratic time: half a minute for 160 KB. A text from outside is checked before it is hashed
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

  /// Whether there is no ``firstExcessiveMark``.
  package var isStreamSafe: Bool { firstExcessiveMark == nil }
}

extension Unicode.Scalar {
  /// Whether its decomposition is of scalars that normalization sorts.
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
  /// Whether the text begins with these bytes. `hasPrefix` compares by Characters, of which a
  /// combining mark behind the prefix would be a part.
  package func startsWithBytes(_ prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

  /// Whether the text ends with these bytes.
  func endsWithBytes(_ suffix: String) -> Bool {
    utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
  }

  /// Whether the bytes are the same. `==` normalizes both texts first, as hashing does.
  package func hasBytes(of other: String) -> Bool { utf8.elementsEqual(other.utf8) }

  /// What follows the first `count` bytes, the last of which ends a scalar.
  func droppingBytes(_ count: Int) -> String {
    String(self[utf8.index(startIndex, offsetBy: count)...])
  }
}
