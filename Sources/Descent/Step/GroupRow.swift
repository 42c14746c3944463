internal import DescentKernels

/// The memory layout of what kernels read of each group: a `descent_group` of Kernels/types.h, then
/// the rule's scalars. Kernels/update.cl declares the same as `group_row`.
enum GroupRow {
  /// Bytes of the preparation, with which a row begins.
  static var preparationSize: Int { MemoryLayout<descent_preparation>.size }
  /// The offset of the flag, a `UInt32`, that is not 0 while the group is frozen.
  static var frozenOffset: Int { Int(descent_group_frozen_offset) }
  static var scalarsOffset: Int { MemoryLayout<descent_group>.size }

  /// Bytes of a row.
  static func stride(_ rule: CompiledRule) -> Int { scalarsOffset + rule.scalarsSize }
}
