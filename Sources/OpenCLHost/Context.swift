#if OpenCL
internal import CDescentOpenCL

/// An OpenCL context for a single device. Objects of different contexts cannot be mixed.
public final class Context: Sendable {
  /// The device that everything in the context is for.
  public let device: Device

  /// The most bytes that one buffer should have: the device's largest allocation, or a lower limit
  /// of the caller's. Longer vectors are split into several buffers.
  public let largestAllocation: Int
  /// Set only where the caller lowered it: drivers may allow more than they promise.
  let allocationLimit: Int?

  /// Released with the context.
  let programs = ProgramCache()

  let handle: Handle

  /// Opens a context of its own on a device.
  ///
  /// `largestAllocation` lowers the limit of one buffer, in bytes; a buffer beyond it is refused.
  ///
  /// - Throws: `OpenCLUsageError` for a limit below one byte; `OpenCLError`, as when the device is
  ///   not available.
  public convenience init(_ device: Device, largestAllocation: Int? = nil) throws {
    if let largestAllocation, largestAllocation < 1 {
      throw OpenCLUsageError.allocationLimit(largestAllocation)
    }
    try DriverProcess.require()
    var id: OpaquePointer? = device.handle.raw
    let properties: [cl_context_properties] = [
      cl_context_properties(CL_CONTEXT_PLATFORM), Int(bitPattern: device.platform.handle.raw), 0,
    ]
    var status: cl_int = 0
    let created = clCreateContext(properties, 1, &id, nil, nil, &status)
    self.init(
      device, try Handle(created, status, clReleaseContext, "clCreateContext(\(device.name))"),
      largestAllocation: largestAllocation)
  }

  /// Takes over a reference to a context that has `device` among its devices.
  init(_ device: Device, _ handle: consuming Handle, largestAllocation: Int? = nil) {
    self.device = device
    self.handle = handle
    allocationLimit = largestAllocation
    self.largestAllocation = min(largestAllocation ?? .max, device.largestAllocation)
  }

  /// The context's `cl_context`, valid while this object exists.
  public var rawHandle: OpaquePointer { handle.raw }

  /// Throws unless `other` is the same context as the driver sees it.
  @inline(__always)
  func require(
    _ other: Context, _ what: @autoclosure () -> String, than: @autoclosure () -> String
  ) throws {
    guard handle.raw == other.handle.raw else {
      throw OpenCLUsageError.otherContext(what: what(), than: than())
    }
  }
}
#endif
