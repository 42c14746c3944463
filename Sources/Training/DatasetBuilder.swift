/// Builds a data set row by row, so that a file's rows are never all in memory.
final class DatasetBuilder {
  private let file: String
  private var first: CSVRow?
  private var hasHeader: Bool?
  private var error: DatasetError?

  private var features: [Float] = []
  /// The classes' names as they are spelled, in the order of the file, and the index of each.
  private var words: [String] = []
  private var places: [String: Int] = [:]
  private var labels: [Int] = []

  init(file: String) { self.file = file }

  /// Appends the next row. After an error it ignores rows; ``check()`` throws the error.
  func append(_ row: CSVRow) {
    if error != nil { return }
    do throws(DatasetError) {
      guard let first else {
        if row.cells.count < 2 {
          throw DatasetError(file: file, line: row.line, problem: .noFeatures)
        }
        first = row
        return
      }
      if hasHeader == nil {
        hasHeader = Self.isHeader(first, before: row)
        if hasHeader == false { try take(first) }
      }
      try take(row)
    } catch {
      self.error = error
    }
  }

  func check() throws(DatasetError) {
    if let error { throw error }
  }

  private func take(_ row: CSVRow) throws(DatasetError) {
    let columnCount = first?.cells.count ?? 0
    try row.appendFeatures(to: &features, columnCount: columnCount, file: file)
    let word = row.cells[columnCount - 1]
    let place = places[word] ?? words.count
    if place == words.count {
      words.append(word)
      places[word] = place
    }
    labels.append(place)
  }

  /// The data set that was read. Throws unless there are at least two classes, and two examples of
  /// each.
  func dataset() throws(DatasetError) -> Dataset {
    guard let first else { throw DatasetError(file: file, problem: .empty) }
    if hasHeader == nil {
      if Self.isHeader(first, before: nil) { throw DatasetError(file: file, problem: .onlyHeader) }
      try take(first)
    }
    places = [:]
    let (classes, classOfWord) = Self.classes(words)
    for index in labels.indices { labels[index] = classOfWord[labels[index]] }
    if classes.count == 1 { throw DatasetError(file: file, problem: .oneClass(classes[0])) }
    let counts = labels.reduce(into: [Int](repeating: 0, count: classes.count)) { $0[$1] += 1 }
    if let lonely = counts.firstIndex(of: 1) {
      throw DatasetError(file: file, problem: .oneExample(class: classes[lonely]))
    }
    return Dataset(
      featureCount: first.cells.count - 1, features: features, labels: labels, classes: classes,
      columnNames: hasHeader == true ? first.cells : nil)
  }

  private static func isHeader(_ row: CSVRow, before next: CSVRow?) -> Bool {
    let isWord = row.cells.dropLast().map { !$0.isEmpty && Float($0) == nil }
    guard let next else { return isWord.contains(true) }
    return zip(isWord, next.cells.dropLast()).contains { $0 && Float($1) != nil }
  }

  /// The sorted classes and, for each word, its class's index. Numbers of equal value are one
  /// class, named as it is first spelled.
  private static func classes(_ words: [String]) -> (names: [String], classOfWord: [Int]) {
    let numbers = words.compactMap(Double.init).filter(\.isFinite)
    guard numbers.count == words.count else { return indexed(words) }
    let (values, classOfWord) = indexed(numbers)
    var names = [String](repeating: "", count: values.count)
    for (word, index) in zip(words, classOfWord) where names[index].isEmpty { names[index] = word }
    return (names, classOfWord)
  }

  /// The distinct keys, sorted, and for each key its index among them.
  private static func indexed<Key: Comparable>(_ keys: [Key]) -> ([Key], [Int]) {
    var (sorted, places) = ([Key](), [Int](repeating: 0, count: keys.count))
    for index in keys.indices.sorted(by: { keys[$0] < keys[$1] }) {
      if sorted.last != keys[index] { sorted.append(keys[index]) }
      places[index] = sorted.count - 1
    }
    return (sorted, places)
  }
}
