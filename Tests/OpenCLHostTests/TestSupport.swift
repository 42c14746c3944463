#if OpenCL
import CDescentOpenCL
import OpenCLHost
import Testing

let hasDevice = !Device.all.isEmpty
let noDevice: Comment = "no OpenCL device was found"

/// The devices that keep to the whole standard. oclgrind 21.10 does not read `#line`, gives times
/// although profiling is off, and hangs or crashes with user events and callbacks. rusticl of Mesa
/// 22.3 gives no times, refuses structs as arguments, aborts for a senseless binary and has no
/// function for sub-devices.
let faithfulDevices = Device.all.filter { !["Oclgrind", "rusticl"].contains($0.platform.name) }
let noFaithfulDevice: Comment = "oclgrind and rusticl cannot do this"

/// Those that have queues out of order.
let outOfOrderDevices = faithfulDevices.filter { device in
  var properties = cl_command_queue_properties(0)
  let status = clGetDeviceInfo(
    device.rawHandle, cl_device_info(CL_DEVICE_QUEUE_PROPERTIES),
    MemoryLayout<cl_command_queue_properties>.size, &properties, nil)
  let outOfOrder = cl_command_queue_properties(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
  return status == CL_SUCCESS && properties & outOfOrder != 0
}
let noOutOfOrderDevice: Comment = "no OpenCL device has queues out of order"

/// PoCL makes two devices of one if it is configured so.
let hasPoCL = Device.all.contains { $0.platform.name == "Portable Computing Language" }
let noPoCL: Comment = "only PoCL makes two devices of one"

/// What nearly every test opens: a device's context with a queue.
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

/// Runs `body` and hands back the driver's refusal, whose absence is a failure.
func refusal(
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) throws -> OpenCLError {
  try #require(
    #expect(throws: OpenCLError.self, sourceLocation: sourceLocation, performing: body),
    sourceLocation: sourceLocation)
}
#endif
