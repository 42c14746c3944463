#if OpenCL
internal import CDescentOpenCL

/// A program in OpenCL C, built for a context's device.
public final class Program: Sendable {
  /// The context that the program belongs to.
  public let context: Context

  /// The compiler's messages, such as warnings; may be empty.
  public var buildLog: String { handle.buildLog }

  let handle: ProgramHandle

  /// Builds sources, concatenated as if they were one file.
  ///
  /// Each source is preceded by a `#line`, so that the compiler's messages contain its name and its
  /// line. A driver that ignores `#line`, such as oclgrind 21.10, counts lines over all sources.
  ///
  /// `options` are options of the compiler, as in `-cl-std=CL1.2 -DLANES=4`.
  ///
  /// - Throws: `OpenCLError` with the compiler's messages in `log` if the build fails.
  public convenience init(
    _ context: Context, sources: [(name: String, text: String)], options: String = ""
  ) throws {
    try DriverProcess.require()
    let text = Self.text(of: sources)
    let names = sources.map(\.name).joined(separator: ", ")
    var status: cl_int = 0
    let created = text.withCString { start in
      var start: UnsafePointer<CChar>? = start
      return clCreateProgramWithSource(context.handle.raw, 1, &start, nil, &status)
    }
    let handle = try Handle(
      created, status, clReleaseProgram, "clCreateProgramWithSource(\(names))")
    try self.init(context, handle, names, options)
  }

  /// Loads the result of a program's `binary()`, for the same device and the same driver.
  ///
  /// - Throws: `OpenCLError`, such as `CL_INVALID_BINARY` if the driver rejects it.
  public convenience init(_ context: Context, binary: [UInt8], options: String = "") throws {
    try DriverProcess.require()
    var id: OpaquePointer? = context.device.handle.raw
    var size = binary.count
    var status: cl_int = 0
    let created = binary.withUnsafeBufferPointer { bytes in
      var start = bytes.baseAddress
      return clCreateProgramWithBinary(
        context.handle.raw, 1, &id, &size, &start, nil, &status)
    }
    let handle = try Handle(
      created, status, clReleaseProgram, "clCreateProgramWithBinary(\(size) bytes)")
    try self.init(context, handle, "binary", options)
  }

  private init(
    _ context: Context, _ handle: consuming Handle, _ names: String, _ options: String
  ) throws {
    try DriverProcess.require()
    var id: OpaquePointer? = context.device.handle.raw
    let status = clBuildProgram(handle.raw, 1, &id, options, nil, nil)
    let log = Self.log(handle.raw, context.device)
    if status != CL_SUCCESS {
      let what = options.isEmpty ? names : "\(names), \(options)"
      throw OpenCLError(
        status: status, call: "clBuildProgram(\(what) on \(context.device.name))",
        log: log.isEmpty ? nil : log)
    }
    self.context = context
    self.handle = ProgramHandle(handle, buildLog: log)
  }

  /// A program that was built before, in this context.
  init(_ context: Context, built handle: ProgramHandle) {
    (self.context, self.handle) = (context, handle)
  }

  static func text(of sources: [(name: String, text: String)]) -> String {
    sources.map { "#line 1 \($0.name.quoted)\n\($0.text)\n" }.joined()
  }

  /// Creates a kernel. Its arguments are independent of those of other kernels of the same name.
  ///
  /// - Throws: `OpenCLError` with `CL_INVALID_KERNEL_NAME` if the program has no kernel of that
  ///   name.
  public func kernel(named name: String) throws -> sending Kernel {
    try Kernel(self, named: name)
  }

  /// The names of the program's kernels, in the driver's order.
  public var kernelNames: [String] {
    get throws {
      try info.string(CL_PROGRAM_KERNEL_NAMES).split(separator: ";").map { String($0).trimmed }
    }
  }

  /// The program as the driver stores it, for `init(_:binary:options:)`.
  ///
  /// Valid for this device and this version of the driver only.
  public func binary() throws -> [UInt8] {
    let devices = try info.array(CL_PROGRAM_DEVICES, cl_device_id?.none)
    let sizes = try info.array(CL_PROGRAM_BINARY_SIZES, 0)
    // PoCL 3.1 lists all devices of the context, but only the size for the device that was built
    // for.
    let place = sizes.count == 1 ? 0 : devices.firstIndex(of: context.device.handle.raw)
    guard let index = place, index < sizes.count else {
      throw OpenCLError(status: CL_INVALID_DEVICE, call: "clGetProgramInfo(binary)")
    }
    // One pointer for each size; the driver skips those that are nil.
    var places = [UnsafeMutablePointer<UInt8>?](repeating: nil, count: sizes.count)
    return try [UInt8](unsafeUninitializedCapacity: sizes[index]) { bytes, initialized in
      places[index] = bytes.baseAddress
      let status = clGetProgramInfo(
        handle.raw, cl_program_info(CL_PROGRAM_BINARIES),
        places.count * MemoryLayout<UnsafeMutablePointer<UInt8>?>.stride, &places, nil)
      try check(status, "clGetProgramInfo(binary)")
      initialized = sizes[index]
    }
  }

  /// The program's `cl_program`, valid while this object exists.
  public var rawHandle: OpaquePointer { handle.raw }

  private var info: Info {
    Info("clGetProgramInfo", of: "the program") {
      clGetProgramInfo(self.handle.raw, $0, $1, $2, $3)
    }
  }

  /// The compiler's messages; empty if the driver does not return them.
  private static func log(_ program: OpaquePointer, _ device: Device) -> String {
    let info = Info("clGetProgramBuildInfo", of: "the program") {
      clGetProgramBuildInfo(program, device.handle.raw, $0, $1, $2, $3)
    }
    return (try? info.string(CL_PROGRAM_BUILD_LOG)) ?? ""
  }
}

/// The driver's handle of a built program; several `Program`s may share one.
final class ProgramHandle: Sendable {
  let buildLog: String
  private let handle: Handle

  init(_ handle: consuming Handle, buildLog: String) {
    self.handle = handle
    self.buildLog = buildLog
  }

  var raw: OpaquePointer { handle.raw }
}

extension String {
  /// The text between quotes for a `#line`. Compilers differ in how they read an escape there, so
  /// quotes, backslashes and line breaks are replaced.
  fileprivate var quoted: String {
    let plain = map { (character: Character) -> Character in
      switch character {
      case "\"": return "'"
      case "\\": return "/"
      default: return character.isNewline ? " " : character
      }
    }
    return "\"\(String(plain))\""
  }
}
#endif
