#if OpenCL
internal import CDescentOpenCL

/// An OpenCL context for a single device. Objects of different contexts cannot be mixed.
public final class Context: Sendable {
  /// The device of all objects in the context.
  public let device: Device

  /// The largest recommended size of one buffer, in bytes: the device's largest allocation, or a
  /// lower limit of the caller's. Longer vectors are split into several buffers.
  public let largestAllocation: Int
  /// The caller's lower limit; nil if there is none, since drivers may allow more than they
  /// promise.
  let allocationLimit: Int?

  /// Released with the context.
  let programs = ProgramCache()

  let handle: Handle

  /// Opens a new context on a device.
  ///
  /// `largestAllocation` lowers the limit of one buffer, in bytes; a larger buffer throws.
  ///
  /// - Throws: `OpenCLUsageError` for a limit below one byte; `OpenCLError`, for example if the
  ///   device is not available.
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

  /// Throws unless both have the same `cl_context`.
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
