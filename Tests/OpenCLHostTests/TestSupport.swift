#if OpenCL
import OpenCLHost
import Testing

let hasDevice = !Device.all.isEmpty
let noDevice: Comment = "no OpenCL device was found"

/// The devices that keep to the whole standard: oclgrind 21.10 does not read `#line`, tells times
/// that nobody asked for, and hangs or crashes with user events and callbacks.
let faithfulDevices = Device.all.filter { $0.platform.name != "Oclgrind" }
let noFaithfulDevice: Comment = "oclgrind cannot do this"

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
