#if OpenCL
internal import CDescentOpenCL

extension Context {
  /// Wraps and retains the caller's `cl_context`, for one of its devices.
  ///
  /// The context may have several devices; queues and programs created in it are for `device` only.
  ///
  /// - Parameters:
  ///   - context: a valid `cl_context`, which is retained.
  ///   - device: one of the context's devices; may be nil if there is only one.
  ///   - largestAllocation: as in `init(_:largestAllocation:)`.
  /// - Throws: `OpenCLUsageError` for a device that the context does not have, for several devices
  ///   if none is named, or for a limit below one byte; `OpenCLError` if the driver rejects the
  ///   context.
  public convenience init(
    retaining context: OpaquePointer, device: Device? = nil, largestAllocation: Int? = nil
  ) throws {
    if let largestAllocation, largestAllocation < 1 {
      throw OpenCLUsageError.allocationLimit(largestAllocation)
    }
    let handle = try Handle(
      retaining: context, clRetainContext, clReleaseContext, "clRetainContext(adopted)")
    let devices = try Self.devices(of: context)
    guard let chosen = device ?? devices.first else {
      throw OpenCLError(status: CL_INVALID_CONTEXT, call: "clGetContextInfo(devices)")
    }
    if device == nil && devices.count > 1 {
      throw OpenCLUsageError.severalDevices(devices.map(\.name))
    }
    guard devices.contains(chosen) else {
      throw OpenCLUsageError.otherDevice(given: chosen.name, allowed: devices.map(\.name))
    }
    self.init(chosen, handle, largestAllocation: largestAllocation)
  }

  /// Wraps and retains the caller's `cl_context`, for the device of one of its queues; otherwise as
  /// `init(retaining:device:largestAllocation:)`. The queue itself is adopted by
  /// `CommandQueue(retaining:in:)`.
  ///
  /// - Throws: Also `OpenCLUsageError` for a queue of another context.
  public convenience init(
    retaining context: OpaquePointer, queue: OpaquePointer, largestAllocation: Int? = nil
  ) throws {
    let facts = try QueueFacts(queue)
    guard facts.context == context else {
      throw OpenCLUsageError.otherContext(what: "queue", than: "cl_context")
    }
    try self.init(
      retaining: context, device: Device.retaining(facts.device),
      largestAllocation: largestAllocation)
  }

  private static func devices(of context: OpaquePointer) throws -> [Device] {
    let info = Info("clGetContextInfo", of: "an adopted context") {
      clGetContextInfo(context, $0, $1, $2, $3)
    }
    return try info.array(CL_CONTEXT_DEVICES, cl_device_id?.none).compactMap { $0 }
      .map(Device.retaining)
  }
}

extension Device {
  /// The device of a `cl_device_id`: one of `all`, or a sub-device that the caller created by
  /// `clCreateSubDevices`.
  static func retaining(_ id: OpaquePointer) throws -> Device {
    if let known = all.first(where: { $0.rawHandle == id }) { return known }
    let info = Info("clGetDeviceInfo", of: "an adopted device") {
      clGetDeviceInfo(id, $0, $1, $2, $3)
    }
    guard let platform = try info.value(CL_DEVICE_PLATFORM, cl_platform_id?.none) else {
      throw OpenCLError(status: CL_INVALID_DEVICE, call: "clGetDeviceInfo(platform)")
    }
    // Never released: device handles must stay valid until the process ends.
    try check(clRetainDevice(id), "clRetainDevice(adopted)")
    return try Device(handle: id, platform: Platform(handle: platform))
  }
}
#endif
