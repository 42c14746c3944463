#if OpenCL
internal import CDescentOpenCL

/// The kind of processor that a device is; a driver may name more than one.
public struct DeviceType: OptionSet, Sendable, Hashable {
  /// The bits of a `cl_device_type`.
  public let rawValue: UInt64

  /// Takes the bits of a `cl_device_type`.
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The processor that the host runs on, or one like it.
  public static var cpu: DeviceType { DeviceType(rawValue: UInt64(CL_DEVICE_TYPE_CPU)) }

  /// A graphics processor.
  public static var gpu: DeviceType { DeviceType(rawValue: UInt64(CL_DEVICE_TYPE_GPU)) }

  /// A processor that is dedicated to computing.
  public static var accelerator: DeviceType {
    DeviceType(rawValue: UInt64(CL_DEVICE_TYPE_ACCELERATOR))
  }

  /// A processor with built-in kernels, which need not run OpenCL C.
  public static var custom: DeviceType { DeviceType(rawValue: UInt64(CL_DEVICE_TYPE_CUSTOM)) }
}

extension DeviceType: CustomStringConvertible {
  public var description: String {
    let names: [(DeviceType, String)] = [
      (.cpu, "CPU"), (.gpu, "GPU"), (.accelerator, "accelerator"), (.custom, "custom"),
    ]
    let mine = names.filter { contains($0.0) }.map(\.1)
    return mine.isEmpty ? "device" : mine.joined(separator: ", ")
  }
}
#endif
