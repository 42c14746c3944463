#if OpenCL
internal import CDescentOpenCL

/// The platforms and devices found by a search.
public struct Discovery: Sendable {
  /// The platforms whose names could be queried, in the order of OpenCL's loader.
  public private(set) var platforms: [Platform] = []

  /// The devices of all platforms, in that order and then in the driver's.
  public private(set) var devices: [Device] = []

  /// The errors of the platforms and devices that are missing above.
  ///
  /// A machine without a driver is not a failure.
  public private(set) var failures: [OpenCLError] = []

  /// Searches this machine.
  init() { self.init(platforms: Self.platformHandles, devices: Self.deviceHandles) }

  /// Searches by the given functions. A platform or device that throws is left out, and its error
  /// is added to `failures`.
  init(
    platforms platformHandles: () throws -> [OpaquePointer],
    devices deviceHandles: (Platform) throws -> [OpaquePointer]
  ) {
    for handle in attempt(platformHandles) ?? [] {
      guard let platform = attempt({ try Platform(handle: handle) }) else { continue }
      platforms.append(platform)
      for handle in attempt({ try deviceHandles(platform) }) ?? [] {
        guard let device = attempt({ try Device(handle: handle, platform: platform) }) else {
          continue
        }
        devices.append(device)
      }
    }
  }

  private mutating func attempt<T>(_ body: () throws -> T) -> T? {
    do {
      return try body()
    } catch let error as OpenCLError {
      failures.append(error)
    } catch {
      failures.append(OpenCLError(status: CL_INVALID_VALUE, call: "discovery", log: "\(error)"))
    }
    return nil
  }

  static func platformHandles() throws -> [OpaquePointer] {
    try DriverProcess.require()
    return try list("clGetPlatformIDs()", none: CL_PLATFORM_NOT_FOUND_KHR) {
      clGetPlatformIDs($0, $1, $2)
    }
  }

  static func deviceHandles(of platform: Platform) throws -> [OpaquePointer] {
    let everything = cl_device_type(CL_DEVICE_TYPE_ALL)
    return try list("clGetDeviceIDs(\(platform.name))", none: CL_DEVICE_NOT_FOUND) {
      clGetDeviceIDs(platform.handle.raw, everything, $0, $1, $2)
    }
  }

  /// Queries the count, then the handles; `none` is the status for which there are none.
  private static func list(
    _ call: String, none: cl_int,
    _ get: (cl_uint, UnsafeMutablePointer<OpaquePointer?>?, UnsafeMutablePointer<cl_uint>?)
      -> cl_int
  ) throws -> [OpaquePointer] {
    var count: cl_uint = 0
    let status = get(0, nil, &count)
    guard status != none else { return [] }
    try check(status, call)
    guard count > 0 else { return [] }
    var handles = [OpaquePointer?](repeating: nil, count: Int(count))
    try check(get(count, &handles, nil), call)
    return handles.compactMap { $0 }
  }
}
#endif
