import Descent
import Training

/// The handwritten digits that figures train on.
package enum Digits {
  /// The command's default path of the digits: in the package's folder.
  package static let path = "Examples/data/digits.csv"

  /// The digits with pixels from 0 to 1 instead of from 0 to 16: an empty pixel stays 0.
  static func withUnitPixels(path: String) throws -> Dataset {
    let digits = try Dataset.load(path: path)
    // Standardised with rows of 16 and −16, whose mean is 0 and whose deviation is 16.
    let rows = [(16, 0), (-16, 0), (16, 1), (-16, 1)].map { pixel, label in
      String(repeating: "\(pixel),", count: digits.featureCount) + "\(label)\n"
    }
    return try digits.standardised(by: Dataset(bytes: rows.joined().utf8, file: "16"))
  }
}
