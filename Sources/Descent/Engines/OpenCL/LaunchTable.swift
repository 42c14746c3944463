#if OpenCL
import OpenCLHost

/// Default launch shapes by kind of device, for devices without a tuned shape.
enum LaunchTable {
  /// The first row that fits. A processor's kernels have as many lanes as its vector registers, of
  /// `width` Floats, where the table has no fewer.
  static func shape(type: DeviceType, vendor: String, width: Int) -> LaunchShape {
    let row = rows.first { row in
      (row.type.isEmpty || !row.type.isDisjoint(with: type)) && vendor.contains(row.vendor)
    }
    var shape = row?.shape ?? other
    if type.contains(.cpu) && [4, 8].contains(width) { shape.lanes = width }
    return shape
  }

  private struct Row {
    /// Empty for all.
    var type: DeviceType
    /// What the vendor's name contains.
    var vendor = ""
    var shape: LaunchShape
  }

  private static let rows = [
    // Measured with Adam on PoCL 3.1, Zen 5 with AVX-512: 4, 8 and 16 lanes within the noise of
    // each other, 16 ahead where an item owns a long run; a group is one thread's task. With AVX2
    // code 8 lanes were 2 to 4% ahead of 16 for Adam and equal for AMSGrad; on a busy machine 46%
    // ahead.
    Row(type: .cpu, shape: LaunchShape(lanes: 16, groupSize: 256)),
    // clpeak's published tables: float4 is within 2% of the best width on V100, RTX 3090, RTX 4090.
    Row(type: .gpu, vendor: "NVIDIA", shape: LaunchShape(lanes: 4, groupSize: 256)),
    // The same tables: 16 lanes lose on Radeon VII.
    Row(type: .gpu, vendor: "Advanced Micro Devices", shape: LaunchShape(lanes: 4, groupSize: 256)),
  ]

  /// Not measured: what suits the GPUs above.
  private static let other = LaunchShape(lanes: 4, groupSize: 256)
}
#endif
