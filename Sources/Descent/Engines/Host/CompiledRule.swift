internal import DescentKernels

/// A variant's row in the table of compiled rules.
struct CompiledRule: Sendable {
  // A row of a constant table: never written, never freed.
  private nonisolated(unsafe) let row: UnsafePointer<descent_rule>

  /// Throws ``DescentError/unknown(kind:name:known:)`` if nothing of that name was compiled.
  init(_ name: String) throws {
    guard let rule = Self.all.first(where: { $0.name == name }) else {
      throw DescentError.unknown(kind: "kernel", name: name, known: Self.all.map(\.name))
    }
    self = rule
  }

  private init(row: UnsafePointer<descent_rule>) { self.row = row }

  /// Every row of the table.
  static let all: [CompiledRule] = {
    var count: Int32 = 0
    guard let first = descent_rules(&count) else { return [] }
    return (0..<Int(count)).map { CompiledRule(row: first + $0) }
  }()

  var name: String { String(cString: row.pointee.name) }
  var file: String { String(cString: row.pointee.file) }
  var text: String { String(cString: row.pointee.text) }
  var variant: Int { Int(row.pointee.variant) }
  var stateCount: Int { Int(row.pointee.states) }
  var scalarsSize: Int { Int(row.pointee.scalarsSize) }

  /// The rule compiled for an instruction set. Throws ``DescentError/unknown(kind:name:known:)`` for one
  /// that this processor does not have.
  func update(for instructions: InstructionSet) throws -> CompiledUpdate {
    let update =
      switch instructions {
      case .baseline: row.pointee.baseline
      case .avx2: row.pointee.avx2
      case .avx512: row.pointee.avx512
      }
    guard instructions.isAvailable, let update else {
      throw DescentError.unknown(
        kind: "instruction set of this processor", name: instructions.rawValue,
        known: InstructionSet.available.map(\.rawValue))
    }
    return update
  }
}

/// Parameters, gradients, states, count, preparation, scalars.
typealias CompiledUpdate =
  @convention(c) (
    UnsafeMutablePointer<Float>?, UnsafePointer<Float>?,
    UnsafePointer<UnsafeMutablePointer<Float>?>?, Int, UnsafeRawPointer?, UnsafeRawPointer?
  ) -> Void

/// The same with what stands beside it: the update, its arguments with the number of states, and that.
typealias CompiledBesideUpdate =
  @convention(c) (
    CompiledUpdate?, UnsafeMutablePointer<Float>?, UnsafePointer<Float>?,
    UnsafePointer<UnsafeMutablePointer<Float>?>?, Int32, Int, UnsafeRawPointer?, UnsafeRawPointer?,
    descent_beside
  ) -> Void

/// Sum, gradients, count, whether the sum begins with them.
typealias CompiledAccumulate =
  @convention(c) (UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, Int, Bool) -> Void

/// The update, where its deltas go, and its arguments with the number of states.
typealias CompiledDelta =
  @convention(c) (
    CompiledUpdate?, UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?,
    UnsafePointer<UnsafeMutablePointer<Float>?>?, Int32, Int, UnsafeRawPointer?, UnsafeRawPointer?
  ) -> Void

extension InstructionSet {
  /// For these instructions.
  var updateBeside: CompiledBesideUpdate {
    #if arch(x86_64)
    switch self {
    case .baseline: descent_update_beside_baseline
    case .avx2: descent_update_beside_avx2
    case .avx512: descent_update_beside_avx512
    }
    #else
    descent_update_beside_baseline
    #endif
  }

  var accumulate: CompiledAccumulate {
    #if arch(x86_64)
    switch self {
    case .baseline: descent_accumulate_baseline
    case .avx2: descent_accumulate_avx2
    case .avx512: descent_accumulate_avx512
    }
    #else
    descent_accumulate_baseline
    #endif
  }

  var delta: CompiledDelta {
    #if arch(x86_64)
    switch self {
    case .baseline: descent_delta_baseline
    case .avx2: descent_delta_avx2
    case .avx512: descent_delta_avx512
    }
    #else
    descent_delta_baseline
    #endif
  }
}

/// The vector instructions that a compiled rule uses.
public enum InstructionSet: String, Sendable, CaseIterable, Codable, CustomStringConvertible {
  /// What every processor of the architecture has: SSE2 on x86-64, NEON on arm64.
  case baseline
  /// 256 bits wide, on x86-64.
  case avx2
  /// 512 bits wide, on x86-64.
  case avx512

  /// Whether this processor has it.
  public var isAvailable: Bool {
    switch self {
    case .baseline: true
    case .avx2: descent_supports_avx2()
    case .avx512: descent_supports_avx512()
    }
  }

  /// Those that this processor has, the widest last.
  public static var available: [InstructionSet] { allCases.filter(\.isAvailable) }

  /// The widest that this processor has.
  public static let best = available.last ?? .baseline

  public var description: String { rawValue }
}

/// Runs `body` with round to nearest, denormals kept and no traps, and restores the caller's
/// settings: a library built with `-ffast-math` may have changed them for the whole process.
// Not optimized, or arithmetic could move out of the body, past a call that it does not depend on.
@inline(never) @_optimize(none)
func withDefaultFloatingPoint<Result>(_ body: () throws -> Result) rethrows -> Result {
  let before = descent_environment_default()
  defer { descent_environment_restore(before) }
  return try body()
}
