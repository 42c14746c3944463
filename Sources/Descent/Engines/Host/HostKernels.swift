internal import DescentKernels

/// The functions that are compiled for one instruction set.
struct HostKernels: Sendable {
  // A constant table: never written, never freed.
  private nonisolated(unsafe) let table: UnsafePointer<descent_instructions>

  /// Those that this processor can run.
  static let available: [InstructionSet: HostKernels] = {
    var found: [InstructionSet: HostKernels] = [:]
    for table in tables where table.pointee.isSupported() {
      let name = String(cString: table.pointee.name)
      guard let set = InstructionSet(rawValue: name) else { continue }
      found[set] = HostKernels(table: table)
    }
    return found
  }()

  /// Those of this architecture.
  static var tables: [UnsafePointer<descent_instructions>] { KernelLibrary.builtIn.sets }

  private init(table: UnsafePointer<descent_instructions>) { self.table = table }

  /// Throws ``DescentError/unknown(kind:name:known:)`` for instructions that this processor does
  /// not have.
  init(_ instructions: InstructionSet) throws {
    guard let known = Self.available[instructions] else {
      throw DescentError.unknown(
        kind: "instruction set of this processor", name: instructions.rawValue,
        known: InstructionSet.available.map(\.rawValue))
    }
    self = known
  }

  private var name: String { String(cString: table.pointee.name) }

  /// Floats in a vector.
  var lanes: Int { Int(table.pointee.lanes) }

  /// Throws ``DescentError/unknown(kind:name:known:)`` if the rule was not compiled for these.
  func update(_ rule: CompiledRule) throws -> descent_update {
    let own =
      rule.library == .builtIn
      ? table : rule.library.sets.first { String(cString: $0.pointee.name) == name }
    guard let update = own?.pointee.updates[rule.index] else {
      throw DescentError.unknown(
        kind: "instruction set of \(rule.name)", name: name, known: [])
    }
    return update
  }

  /// Runs an update over operands in its order, with gradients of any type, and with what the
  /// parameters' storage keeps of them, a sum of earlier gradients and an average of the parameters
  /// where there are such.
  func update(
    _ update: descent_update, _ operands: UnsafeBufferPointer<UnsafeMutableRawPointer?>,
    _ gradients: ElementType, _ numbers: UnsafePointer<descent_number>?,
    companion: ElementPointer? = nil, sum: ElementPointer? = nil, average: ElementPointer? = nil,
    writesParameters: Bool = true, count: Int, _ preparation: UnsafeRawPointer?,
    _ scalars: UnsafeRawPointer?
  ) {
    if companion == nil && sum == nil && average == nil && gradients == .float32 {
      operands.withMemoryRebound(to: UnsafeMutablePointer<Float>?.self) {
        update($0.baseAddress, numbers, count, preparation, scalars)
      }
    } else {
      var beside = descent_beside(
        gradientType: gradients.code, writesParameters: writesParameters,
        remainders: nil, masters: nil, sums: sum?.floats, averages: average?.floats)
      if companion?.type == .float32 {
        beside.masters = companion?.floats
      } else {
        beside.remainders = companion?.address
      }
      table.pointee.updateBeside(
        update, operands.baseAddress, Int32(operands.count), &beside, numbers, count, preparation,
        scalars)
    }
  }

  var accumulate: descent_accumulate { table.pointee.accumulate }
  var delta: descent_delta { table.pointee.delta }
  var normTile: descent_norm_tile { table.pointee.normTile }
  var sumTile: descent_sum_tile { table.pointee.sumTile }
  var columnTiles: descent_column_tiles { table.pointee.columnTiles }
  var matrixStep: descent_matrix_work { table.pointee.matrixStep }
  /// Of a product's sums that are in registers together.
  var matrixTile: (rows: Int, columns: Int) {
    (Int(table.pointee.matrixRows), Int(table.pointee.matrixColumns))
  }
}
