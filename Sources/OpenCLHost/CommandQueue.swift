#if OpenCL
internal import CDescentOpenCL

/// A command queue of a device. Commands run in the order in which they are enqueued. An adopted
/// queue may be out of order; then only events order its commands.
///
/// May be used from several threads; the order of their commands is not defined.
public final class CommandQueue: Sendable {
  /// The context that the queue belongs to.
  public let context: Context

  /// Whether the queue's events record times (`CL_QUEUE_PROFILING_ENABLE`); see `Event.profile`.
  public let isProfiling: Bool

  /// Whether each command begins when the one before is done. False only for adopted queues.
  public let isInOrder: Bool

  let handle: Handle

  /// Opens a queue on the context's device.
  ///
  /// With `profiling` the device records the times of each command, which may take some time
  /// itself.
  ///
  /// - Throws: `OpenCLError`.
  public init(_ context: Context, profiling: Bool = false) throws {
    try DriverProcess.require()
    let device = context.device
    var status: cl_int = 0
    let created: OpaquePointer?
    // A 1.x driver need not implement the newer call; under oclgrind it hangs.
    if device.openCLVersion < OpenCLVersion(2, 0) {
      let properties = cl_command_queue_properties(profiling ? CL_QUEUE_PROFILING_ENABLE : 0)
      created = clCreateCommandQueue(
        context.handle.raw, device.handle.raw, properties, &status)
    } else {
      let properties: [cl_queue_properties] = [
        cl_queue_properties(CL_QUEUE_PROPERTIES),
        cl_queue_properties(profiling ? CL_QUEUE_PROFILING_ENABLE : 0), 0,
      ]
      created = clCreateCommandQueueWithProperties(
        context.handle.raw, device.handle.raw, properties, &status)
    }
    handle = try Handle(
      created, status, clReleaseCommandQueue, "clCreateCommandQueue(\(device.name))")
    self.context = context
    isProfiling = profiling
    isInOrder = true
  }

  /// Takes over a reference to a queue of the context and its device.
  init(_ context: Context, _ handle: consuming Handle, isProfiling: Bool, isInOrder: Bool) {
    (self.context, self.isProfiling, self.isInOrder) = (context, isProfiling, isInOrder)
    self.handle = handle
  }

  /// The device that runs the commands.
  public var device: Device { context.device }

  /// Submits all commands so far to the device, and does not wait for them.
  ///
  /// Flush before you poll an event or wait for it in another queue: until then a driver may hold
  /// commands back.
  public func flush() throws {
    try DriverProcess.require()
    try check(clFlush(handle.raw), "clFlush(\(device.name))")
  }

  /// Waits until all commands so far are done.
  public func finish() throws {
    try DriverProcess.require()
    try check(clFinish(handle.raw), "clFinish(\(device.name))")
  }

  /// Enqueues a marker. Its event is complete when `events` are or, without any, when all commands
  /// so far are.
  public func marker(after events: [Event] = []) throws -> Event {
    try enqueue("marker", after: events, "clEnqueueMarkerWithWaitList(\(device.name))") {
      clEnqueueMarkerWithWaitList(handle.raw, $0, $1, $2)
    }
  }

  /// Throws if an event belongs to another context, or has failed already.
  package func require(_ events: [Event]) throws {
    for event in events {
      guard try event.rawContext == context.handle.raw else {
        throw OpenCLUsageError.otherContext(what: "event \(event.command)", than: "queue")
      }
      _ = try event.isComplete
    }
  }

  /// Throws in a child made by `fork`, where the driver does not work.
  package func requireOwnProcess() throws { try DriverProcess.require() }

  /// The queue's `cl_command_queue`, valid while this object exists.
  public var rawHandle: OpaquePointer { handle.raw }

  /// Enqueues a command by `body`, which takes a wait list and a pointer for the command's event.
  func enqueue(
    _ command: String, after events: [Event], _ call: @autoclosure () -> String,
    _ body: (cl_uint, UnsafePointer<cl_event?>?, UnsafeMutablePointer<cl_event?>?) -> cl_int
  ) throws -> Event {
    var event: cl_event?
    let status = try Event.withHandles(events) { body($0, $1, &event) }
    return Event(command, try Handle(event, status, clReleaseEvent, call()))
  }

  /// Enqueues a blocking command by `body`, and waits for its event too: unless the queue is in
  /// order, blocking calls of Intel's runtimes return before other commands can see what they
  /// wrote.
  func run(
    _ command: String, after events: [Event], _ call: @autoclosure () -> String,
    _ body: (cl_uint, UnsafePointer<cl_event?>?, UnsafeMutablePointer<cl_event?>?) -> cl_int
  ) throws {
    try enqueue(command, after: events, call(), body).wait()
  }
}
#endif
