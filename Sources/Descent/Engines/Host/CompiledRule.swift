internal import DescentKernels

/// Rules that were compiled together: those of `Kernels/rules/list.inc`, or of another list.
package struct KernelLibrary: Hashable, Sendable {
  // A constant table: never written, never freed.
  private nonisolated(unsafe) let table: UnsafePointer<descent_library>

  /// The package's own.
  package static let builtIn = KernelLibrary(table: descent_rules())

  private init(table: UnsafePointer<descent_library>) { self.table = table }

  /// - Parameter table: a constant `descent_library`, as `cpu/library.inc` makes it.
  package init(table: UnsafeRawPointer) {
    self.table = table.assumingMemoryBound(to: descent_library.self)
  }

  /// Every row of the table.
  var rules: [CompiledRule] {
    (0..<Int(table.pointee.ruleCount)).map {
      CompiledRule(row: table.pointee.rules + $0, index: $0, library: self)
    }
  }

  /// The tables of instruction sets, in one order for all libraries.
  var sets: [UnsafePointer<descent_instructions>] {
    UnsafeBufferPointer(start: table.pointee.sets, count: Int(table.pointee.setCount))
      .compactMap { $0 }
  }
}

/// A variant's row in the table of compiled rules.
struct CompiledRule: Sendable {
  // A row of a constant table: never written, never freed.
  private nonisolated(unsafe) let row: UnsafePointer<descent_rule>
  /// The number of the row.
  let index: Int
  let library: KernelLibrary

  /// Throws ``DescentError/unknown(kind:name:known:)`` if nothing of that name was compiled.
  init(_ name: String, in library: KernelLibrary = .builtIn) throws {
    let all = library == .builtIn ? Self.all : library.rules
    guard let rule = all.first(where: { $0.name == name }) else {
      throw DescentError.unknown(kind: "kernel", name: name, known: all.map(\.name))
    }
    self = rule
  }

  /// Of a pass. Throws as ``init(_:in:)`` does.
  init(_ pass: RulePass) throws { try self.init(pass.kernel, in: pass.library) }

  fileprivate init(row: UnsafePointer<descent_rule>, index: Int, library: KernelLibrary) {
    (self.row, self.index, self.library) = (row, index, library)
  }

  /// Every row of the package's own table.
  static let all = KernelLibrary.builtIn.rules

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
