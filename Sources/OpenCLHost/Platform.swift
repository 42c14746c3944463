#if OpenCL
internal import CDescentOpenCL

/// An implementation of OpenCL on this machine: a driver and the devices that it serves.
public struct Platform: Sendable {
  /// The platform's name, as in `Portable Computing Language`.
  public let name: String

  /// The name of the vendor.
  public let vendor: String

  /// The version that the platform reports, as in `OpenCL 3.0 PoCL 3.1`.
  public let version: String

  let handle: StaticHandle

  init(handle: OpaquePointer) throws {
    let info = Info("clGetPlatformInfo", of: "a platform") {
      clGetPlatformInfo(handle, $0, $1, $2, $3)
    }
    self.handle = StaticHandle(raw: handle)
    name = try info.string(CL_PLATFORM_NAME)
    vendor = try info.string(CL_PLATFORM_VENDOR)
    version = try info.string(CL_PLATFORM_VERSION)
  }

  /// Every platform of the process, in the order of OpenCL's loader; empty without a driver.
  public static var all: [Platform] { Device.discovery.platforms }

  /// The platform's devices, in the driver's order.
  public var devices: [Device] { Device.all.filter { $0.platform == self } }

  /// The platform's `cl_platform_id`, valid until the process ends.
  public var rawHandle: OpaquePointer { handle.raw }
}

extension Platform: Hashable {
  public static func == (left: Platform, right: Platform) -> Bool { left.handle == right.handle }
  public func hash(into hasher: inout Hasher) { hasher.combine(handle) }
}

extension Platform: CustomStringConvertible {
  public var description: String { name }
}
#endif
