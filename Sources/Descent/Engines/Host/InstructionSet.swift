/// The vector instructions that a compiled rule uses.
public enum InstructionSet: String, Sendable, CaseIterable, Codable, CustomStringConvertible {
  /// What every processor of the architecture has: SSE2 on x86-64, NEON on arm64.
  case baseline
  /// 256 bits wide, on x86-64.
  case avx2
  /// 512 bits wide, on x86-64.
  case avx512

  /// Whether this processor has it.
  public var isAvailable: Bool { HostKernels.available[self] != nil }

  /// Those that this processor has, the widest last.
  public static var available: [InstructionSet] { allCases.filter(\.isAvailable) }

  /// The widest that this processor has.
  public static let best = available.last ?? .baseline

  public var description: String { rawValue }

  /// Floats in a vector; nil for a set that this processor does not have.
  package var lanes: Int? { HostKernels.available[self]?.lanes }
}
