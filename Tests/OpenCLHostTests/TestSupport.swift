#if OpenCL
import CDescentOpenCL
import OpenCLHost
import Testing

let hasDevice = !Device.all.isEmpty
let noDevice: Comment = "no OpenCL device was found"

/// The devices that conform to the whole standard. oclgrind 21.10 ignores `#line`, reports times
/// although profiling is off, and hangs or crashes with user events and callbacks. rusticl of Mesa
/// 22.3 reports no times, rejects structs as arguments, aborts for an invalid binary and has no
/// function for sub-devices.
let faithfulDevices = Device.all.filter { !["Oclgrind", "rusticl"].contains($0.platform.name) }
let noFaithfulDevice: Comment = "oclgrind and rusticl cannot do this"

/// The devices that have out-of-order queues.
let outOfOrderDevices = faithfulDevices.filter { device in
  var properties = cl_command_queue_properties(0)
  let status = clGetDeviceInfo(
    device.rawHandle, cl_device_info(CL_DEVICE_QUEUE_PROPERTIES),
    MemoryLayout<cl_command_queue_properties>.size, &properties, nil)
  let outOfOrder = cl_command_queue_properties(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
  return status == CL_SUCCESS && properties & outOfOrder != 0
}
let noOutOfOrderDevice: Comment = "no OpenCL device has queues out of order"

/// PoCL can be configured to report one device as two.
let hasPoCL = Device.all.contains { $0.platform.name == "Portable Computing Language" }
let noPoCL: Comment = "only PoCL makes two devices of one"

/// The objects that nearly every test needs: a device's context with a queue.
struct Setup {
  let context: Context
  let queue: CommandQueue

  init(_ device: Device, profiling: Bool = false) throws {
    context = try Context(device)
    queue = try CommandQueue(context, profiling: profiling)
  }

  func program(_ text: String, options: String = "") throws -> Program {
    try Program(context, sources: [("test.cl", text)], options: options)
  }

  func kernel(_ name: String, _ text: String) throws -> Kernel {
    try program(text).kernel(named: name)
  }
}

/// Runs `body` and returns the driver's error; the test fails if there is none.
func refusal(
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) throws -> OpenCLError {
  try #require(
    #expect(throws: OpenCLError.self, sourceLocation: sourceLocation, performing: body),
    sourceLocation: sourceLocation)
}
#endif
