internal import DescentKernels

/// A variant's row in the table of compiled rules.
struct CompiledRule: Sendable {
  // A row of a constant table: never written, never freed.
  private nonisolated(unsafe) let row: UnsafePointer<descent_rule>
  /// The number of the row.
  let index: Int

  /// Throws ``DescentError/unknown(kind:name:known:)`` if nothing of that name was compiled.
  init(_ name: String) throws {
    guard let rule = Self.all.first(where: { $0.name == name }) else {
      throw DescentError.unknown(kind: "kernel", name: name, known: Self.all.map(\.name))
    }
    self = rule
  }

  private init(row: UnsafePointer<descent_rule>, index: Int) {
    (self.row, self.index) = (row, index)
  }

  /// Every row of the table.
  static let all: [CompiledRule] = {
    var count: Int32 = 0
    guard let first = descent_rules(&count) else { return [] }
    return (0..<Int(count)).map { CompiledRule(row: first + $0, index: $0) }
  }()

  var name: String { String(cString: row.pointee.name) }
  var file: String { String(cString: row.pointee.file) }
  var text: String { String(cString: row.pointee.text) }
  var variant: Int { Int(row.pointee.variant) }
  var stateCount: Int { Int(row.pointee.states) }
  /// `DESCENT_ELEMENTS`, `DESCENT_SUMS` or `DESCENT_NUMBERS`.
  var pass: Int { Int(row.pointee.pass) }
  /// Numbers of other shapes that it reads.
  var numberCount: Int { Int(row.pointee.numbers) }
  /// Terms that it makes of an element.
  var termCount: Int { Int(row.pointee.terms) }
  var isReadOnly: Bool { row.pointee.isReadOnly }
  var scalarsSize: Int { Int(row.pointee.scalarsSize) }
}
