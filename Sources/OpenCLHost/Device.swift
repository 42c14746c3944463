#if OpenCL
internal import CDescentOpenCL

/// An OpenCL device and its properties.
///
/// Devices are searched for once per process, and all properties are read then. Two devices are
/// equal if they are the same device of the same driver.
public final class Device: Sendable {
  /// The platform that serves the device.
  public let platform: Platform

  /// The device's name, as in `NVIDIA GeForce RTX 4090`.
  public let name: String

  /// The name of the manufacturer.
  public let vendor: String

  /// The driver's version, in the vendor's notation.
  public let driverVersion: String

  /// The version that the device reports, as in `OpenCL 3.0 CUDA`.
  public let version: String

  /// The version of OpenCL that the device implements.
  public let openCLVersion: OpenCLVersion

  /// The kind of processor.
  public let type: DeviceType

  /// Whether the device can be used now.
  public let isAvailable: Bool

  /// Whether programs can be built from source; otherwise only from binaries.
  public let hasCompiler: Bool

  /// The size of the memory for all buffers, in bytes.
  public let globalMemory: Int

  /// The largest buffer that the driver guarantees, in bytes; often a quarter of `globalMemory`.
  public let largestAllocation: Int

  /// The size of the memory that the items of a work-group can share, in bytes.
  public let localMemory: Int

  /// The number of work-groups that can run at once, at least: cores, multiprocessors.
  public let computeUnits: Int

  /// The maximum size of a work-group; a kernel may allow fewer items.
  public let maximumWorkGroupSize: Int

  /// The highest clock frequency in MHz; 0 if the driver does not report it.
  public let maximumClockFrequency: Int

  /// The width of a pointer on the device, 32 or 64.
  public let addressBits: Int

  /// The alignment that the start of a sub-buffer needs, in bytes.
  public let baseAddressAlignment: Int

  /// The width of vectors of `float` that the driver recommends.
  public let preferredFloatLanes: Int

  /// The width of the hardware's vectors, in `float`s.
  public let nativeFloatLanes: Int

  /// Whether the option `-cl-fp32-correctly-rounded-divide-sqrt` is available for `float`.
  public let hasCorrectlyRoundedDivideAndSquareRoot: Bool

  /// Whether denormal `float`s are kept rather than flushed to 0.
  public let keepsDenormals: Bool

  /// Whether `float` arithmetic rounds to nearest, ties to even.
  public let roundsToNearest: Bool

  /// Whether `float` has infinities and NaN.
  public let hasInfinityAndNaN: Bool

  /// Whether kernels can compute in `double`.
  public let hasDouble: Bool

  /// Whether kernels can compute in `half`; storing it is always possible.
  public let hasHalf: Bool

  /// Whether buffers are in host memory, as they always are on a CPU.
  public let sharesHostMemory: Bool

  /// Whether the device is little-endian.
  public let isLittleEndian: Bool

  /// The names of the extensions, such as `cl_khr_fp64`.
  public let extensions: [String]

  let handle: StaticHandle

  init(handle: OpaquePointer, platform: Platform) throws {
    let info = Info("clGetDeviceInfo", of: "a device of \(platform.name)") {
      clGetDeviceInfo(handle, $0, $1, $2, $3)
    }
    self.handle = StaticHandle(raw: handle)
    self.platform = platform
    name = try info.string(CL_DEVICE_NAME)
    vendor = try info.string(CL_DEVICE_VENDOR)
    driverVersion = try info.string(CL_DRIVER_VERSION)
    version = try info.string(CL_DEVICE_VERSION)
    openCLVersion = OpenCLVersion(parsing: version)
    type = DeviceType(rawValue: try info.value(CL_DEVICE_TYPE, cl_ulong(0)))
    isAvailable = try info.flag(CL_DEVICE_AVAILABLE)
    hasCompiler = try info.flag(CL_DEVICE_COMPILER_AVAILABLE)
    globalMemory = try info.integer(CL_DEVICE_GLOBAL_MEM_SIZE, cl_ulong.self)
    largestAllocation = try info.integer(CL_DEVICE_MAX_MEM_ALLOC_SIZE, cl_ulong.self)
    localMemory = try info.integer(CL_DEVICE_LOCAL_MEM_SIZE, cl_ulong.self)
    computeUnits = try info.integer(CL_DEVICE_MAX_COMPUTE_UNITS, cl_uint.self)
    maximumWorkGroupSize = try info.integer(CL_DEVICE_MAX_WORK_GROUP_SIZE, Int.self)
    maximumClockFrequency = try info.integer(CL_DEVICE_MAX_CLOCK_FREQUENCY, cl_uint.self)
    addressBits = try info.integer(CL_DEVICE_ADDRESS_BITS, cl_uint.self)
    // The driver reports bits here.
    baseAddressAlignment = try info.integer(CL_DEVICE_MEM_BASE_ADDR_ALIGN, cl_uint.self) / 8
    preferredFloatLanes = try info.integer(CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, cl_uint.self)
    nativeFloatLanes = try info.integer(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, cl_uint.self)

    let float = try info.value(CL_DEVICE_SINGLE_FP_CONFIG, cl_ulong(0))
    hasCorrectlyRoundedDivideAndSquareRoot =
      float & cl_ulong(CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0
    keepsDenormals = float & cl_ulong(CL_FP_DENORM) != 0
    roundsToNearest = float & cl_ulong(CL_FP_ROUND_TO_NEAREST) != 0
    hasInfinityAndNaN = float & cl_ulong(CL_FP_INF_NAN) != 0

    let extensions = try info.string(CL_DEVICE_EXTENSIONS).split(separator: " ").map(String.init)
    self.extensions = extensions
    hasDouble = extensions.contains("cl_khr_fp64")
    hasHalf = extensions.contains("cl_khr_fp16")
    let isUnified = try info.flag(CL_DEVICE_HOST_UNIFIED_MEMORY)
    sharesHostMemory = isUnified || type.contains(.cpu)
    isLittleEndian = try info.flag(CL_DEVICE_ENDIAN_LITTLE)
  }

  /// The result of the first search in this process. Later calls return the same result.
  ///
  /// Safe from any thread. Devices that are added or removed later are not noticed.
  public static let discovery = Discovery()

  /// Every device of every platform, in the order of OpenCL's loader and then of the driver;
  /// empty on a machine without a driver.
  ///
  /// Devices that are not available now or that have no compiler are listed too.
  public static var all: [Device] { discovery.devices }

  /// The device's `cl_device_id`, valid until the process ends.
  public var rawHandle: OpaquePointer { handle.raw }
}

extension Device: Hashable {
  public static func == (left: Device, right: Device) -> Bool { left.handle == right.handle }
  public func hash(into hasher: inout Hasher) { hasher.combine(handle) }
}

extension Device: CustomStringConvertible {
  public var description: String { "\(name) (\(type), \(platform.name))" }
}
#endif
