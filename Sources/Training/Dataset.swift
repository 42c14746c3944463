import Descent
import Foundation

/// Examples for classification: rows of numbers, and the class of each.
package struct Dataset: Equatable, Sendable {
  package let featureCount: Int
  /// Row-major, shape [count, featureCount].
  package private(set) var features: [Float]
  /// For each example the index of its class.
  package let labels: [Int]
  /// The classes' names: by value if all are numbers, else alphabetically.
  package let classes: [String]
  /// The names of the columns in the header line, the last one that of the class; nil without a
  /// header.
  package let columnNames: [String]?

  package var count: Int { labels.count }

  /// Loads a CSV file: the last column is the class, a number or a word, all others are numbers.
  ///
  /// The first line is a header if it has a word where the next one has a number, not counting the
  /// class. Blank lines are skipped, and so is white space around a value. There must be at least
  /// two classes, and two examples of each.
  package static func load(path: String) throws(DatasetError) -> Dataset {
    let bytes: Data
    do {
      // Data(contentsOf:) rejects pipes, such as the shell's `<(gunzip -c digits.csv.gz)`.
      let descriptor = open(path, O_RDONLY)
      guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
      let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
      bytes = try file.readToEnd() ?? Data()
    } catch let error as POSIXError where error.code == .ENOENT {
      throw DatasetError(file: path, problem: .noSuchFile)
    } catch {
      throw DatasetError(file: path, problem: .unreadable(error.systemReason))
    }
    return try Dataset(bytes: bytes, file: path)
  }

  /// Reads a CSV file's content; `file` is its name in errors.
  package init(bytes: some Sequence<UInt8>, file: String) throws(DatasetError) {
    if bytes.starts(with: [0x1f, 0x8b]) {
      throw DatasetError(file: file, problem: .compressed)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw DatasetError(file: file, problem: .notUTF8)
    }
    if let mark = text.firstExcessiveMark {
      let line = 1 + text.utf8[..<mark].count { $0 == UInt8(ascii: "\n") }
      throw DatasetError(file: file, line: line, problem: .tooManyMarks)
    }
    try Dataset.checkColumns(text, file: file)
    let builder = DatasetBuilder(file: file)
    try CSVRow.read(text, file: file, into: builder)
    self = try builder.dataset()
  }

  /// The maximum number of columns of a file. SwiftCSV needs memory of many times a column's bytes.
  package static let mostColumns = 100_000

  /// Counts commas, also those in quotes.
  private static func checkColumns(_ text: String, file: String) throws(DatasetError) {
    var commas = 0
    for index in text.unicodeScalars.indices {
      switch text.unicodeScalars[index] {
      case ",": commas += 1
      // Same as `Character.isNewline`, which ends SwiftCSV's rows.
      case "\n"..."\r", "\u{85}", "\u{2028}", "\u{2029}": commas = 0
      default: break
      }
      if commas >= mostColumns {
        let line = 1 + text[..<index].count(where: \.isNewline)
        throw DatasetError(file: file, line: line, problem: .tooManyColumns)
      }
    }
  }

  package init(
    featureCount: Int, features: [Float], labels: [Int], classes: [String], columnNames: [String]?
  ) {
    self.featureCount = featureCount
    self.features = features
    self.labels = labels
    self.classes = classes
    self.columnNames = columnNames
  }
}

extension Dataset {
  /// A stratified split: each class is split in the same ratio. The same seed gives the same parts.
  ///
  /// Each class with two examples or more has at least one in either part, whatever the fraction.
  /// Within a part the examples keep their order.
  ///
  /// - Parameter testFraction: the share of each class that goes to the test part, from 0 to 1.
  package func split(seed: UInt64, testFraction: Double = 0.2) -> (training: Dataset, test: Dataset)
  {
    precondition((0...1).contains(testFraction), "a fraction lies between 0 and 1")
    var members = [[Int]](repeating: [], count: classes.count)
    for (row, label) in labels.enumerated() { members[label].append(row) }

    var generator = SplitMix64(seed: seed)
    var isTest = [Bool](repeating: false, count: count)
    for var rows in members {
      generator.shuffle(&rows)
      let wanted = Int((Double(rows.count) * testFraction).rounded())
      for row in rows.dropLast().prefix(max(wanted, 1)) { isTest[row] = true }
    }
    return (examples(where: { !isTest[$0] }), examples(where: { isTest[$0] }))
  }

  private func examples(where isWanted: (Int) -> Bool) -> Dataset {
    let rows = labels.indices.filter(isWanted)
    return Dataset(
      featureCount: featureCount,
      features: rows.flatMap { features[$0 * featureCount..<($0 + 1) * featureCount] },
      labels: rows.map { labels[$0] }, classes: classes, columnNames: columnNames)
  }

  /// The same examples with each feature shifted and scaled so that it has mean 0 and variance 1
  /// over the training part. A feature that is constant there becomes 0 everywhere.
  package func standardised(by training: Dataset) -> Dataset {
    precondition(training.featureCount == featureCount, "both parts have the same columns")
    var result = self
    for column in 0..<featureCount {
      let known = stride(from: column, to: training.features.count, by: featureCount)
        .map { Double(training.features[$0]) }
      // The deviation does not show this: the mean of equal numbers may have a rounding error.
      let isConstant = known.allSatisfy { $0 == known[0] }
      let mean = known.reduce(0, +) / Double(known.count)
      let variance = known.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(known.count)
      let deviation = variance.squareRoot()
      for index in stride(from: column, to: features.count, by: featureCount) {
        result.features[index] =
          isConstant ? 0 : Float((Double(features[index]) - mean) / deviation)
      }
    }
    return result
  }
}
