#if OpenCL
public import OpenCLHost

/// How a kernel is cut into work-groups. It changes no bit of the result.
public struct LaunchShape: Hashable, Sendable {
  /// Floats that a work-item updates: 1, 2, 4, 8 or 16.
  public var lanes: Int
  /// Work-items in a group.
  public var groupSize: Int

  /// A shape of the caller's choice. The optimizer that takes it checks it against the device.
  public init(lanes: Int, groupSize: Int) {
    (self.lanes, self.groupSize) = (lanes, groupSize)
  }

  /// What suits devices of this kind, whatever was tuned; no larger than the device allows.
  public init(for device: Device) {
    self = LaunchTable.shape(
      type: device.type, vendor: device.vendor, width: device.nativeFloatLanes)
    groupSize = min(groupSize, device.maximumWorkGroupSize)
  }

  /// The lanes that kernels can be built for.
  package static let allowedLanes = [1, 2, 4, 8, 16]

  /// Elements that a group updates.
  var block: Int { lanes * groupSize }

  /// The shape for a table of runs as long as these: the items beyond a run's end cost as much as
  /// those in it, and a group by itself as much as some 256 elements.
  func forTable(ofRuns counts: [Int], isProcessor: Bool) -> LaunchShape {
    func cost(_ shape: LaunchShape) -> Int {
      counts.reduce(0) { $0 + ($1 + shape.block - 1) / shape.block * (shape.block + 256) }
    }
    var (best, shape) = (self, self)
    // A GPU's items move together, 32 or 64 of them.
    let least = isProcessor ? 1 : 64
    while shape.groupSize.isMultiple(of: 2), shape.groupSize / 2 >= least {
      shape.groupSize /= 2
      if cost(shape) < cost(best) { best = shape }
    }
    return best
  }

  package func validate(on device: Device) throws(DescentError) {
    guard Self.allowedLanes.contains(lanes) else {
      throw .value(of: "lanes", given: "\(lanes)", allowed: "1, 2, 4, 8 or 16")
    }
    guard groupSize >= 1, groupSize <= device.maximumWorkGroupSize else {
      throw .value(
        of: "groupSize", given: "\(groupSize)",
        allowed: "1 to \(device.maximumWorkGroupSize) on \(device.name)")
    }
  }
}

/// Makes something with kernels, and again in a smaller shape as long as the driver allows one of
/// them less than it was built for.
///
/// - Parameter shrink: makes the shape smaller for what was made, and returns whether it is.
func fit<Shape, Made>(
  _ shape: inout Shape, _ make: (Shape) throws -> Made,
  shrink: (inout Shape, Made) throws -> Bool
) rethrows -> Made {
  while true {
    let made = try make(shape)
    if try !shrink(&shape, made) { return made }
  }
}

/// A launch shape that follows what the driver allows each kernel, which may be less than the
/// device allows.
struct FittedShape {
  private(set) var shape: LaunchShape
  /// Whether the caller chose it. Such a shape is refused, not changed.
  let isChosen: Bool

  /// Makes the groups smaller where the driver allows a kernel fewer items than it was built for.
  ///
  /// - Parameter built: what the kernel was built for, this shape or a smaller one.
  /// - Returns: whether the shape is another one now.
  mutating func shrink(for kernel: Kernel, of built: LaunchShape) throws -> Bool {
    let limit = max(1, kernel.maximumWorkGroupSize)
    guard limit < built.groupSize else { return false }
    guard !isChosen else {
      throw DescentError.value(
        of: "groupSize", given: "\(shape.groupSize)",
        allowed: "1 to \(limit) for the kernel \(kernel.name) on \(kernel.context.device.name)")
    }
    shape.groupSize = limit
    return true
  }
}

extension LaunchShape: CustomStringConvertible {
  public var description: String { "\(lanes) lanes × \(groupSize)" }
}
#endif
