#if OpenCL
internal import CDescentOpenCL

/// The status of an enqueued command. Other commands can wait for it, and it reports profiling
/// times.
///
/// May be used from any thread, and outlives the queue and the objects that the command uses. It
/// does not retain host memory: that of a transfer must stay valid until the event is complete or
/// has failed. The event of a failed command throws whenever it is waited for, polled or awaited.
/// So does the event of a command that waited for it, with a status that the driver chooses. A
/// failure is reported by these calls only.
///
/// Drivers impose two limits. On Intel's CPU runtimes only the commands that wait for the failed
/// one fail; commands that wait for *those* run. So if a failure must not be missed, query every
/// command's event. On PoCL 3.1 a command never ends if an event that it waits for failed before it
/// was enqueued. All calls that take events check them first and throw, but an event can fail
/// between the check and the call.
public final class Event: Sendable {
  /// The kernel's name, or `fill`, `copy`, `marker`, `user event`; `adopted event` for a caller's
  /// event.
  public let command: String

  let handle: Handle

  init(_ command: String, _ handle: consuming Handle) {
    self.command = command
    self.handle = handle
  }

  /// Wraps and retains a caller's `cl_event`, for commands to wait for.
  ///
  /// - Parameter event: a valid `cl_event`, which is retained.
  /// - Throws: `OpenCLError` if the driver rejects the event.
  public convenience init(retaining event: OpaquePointer) throws {
    self.init(
      "adopted event",
      try Handle(retaining: event, clRetainEvent, clReleaseEvent, "clRetainEvent(adopted)"))
  }

  /// The `cl_context` that the event belongs to.
  var rawContext: OpaquePointer? {
    get throws {
      let info = Info("clGetEventInfo", of: command) {
        clGetEventInfo(self.handle.raw, $0, $1, $2, $3)
      }
      return try info.value(CL_EVENT_CONTEXT, cl_context?.none)
    }
  }

  /// Waits until the command is done. The queue need not be flushed.
  ///
  /// - Throws: `OpenCLError` with the command's own status if it failed.
  public func wait() throws {
    try DriverProcess.require()
    var raw: cl_event? = handle.raw
    let status = clWaitForEvents(1, &raw)
    if status == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST { _ = try isOver }
    try check(status, "clWaitForEvents(\(command))")
  }

  /// Waits until all of the events' commands are done; throws for the first that failed.
  public static func wait(for events: [Event]) throws {
    for event in events { try event.wait() }
  }

  /// Whether the command is done; does not wait. See `CommandQueue.flush()`.
  ///
  /// - Throws: `OpenCLError` with the command's own status if it failed.
  public var isComplete: Bool {
    get throws {
      guard try isOver else { return false }
      // Intel's runtimes skip a command that waits for a failed one, and report its status as
      // complete. A wait, which does not block any more, returns the failure.
      try wait()
      return true
    }
  }

  /// Whether the command's status is complete; throws for one that is negative.
  private var isOver: Bool {
    get throws {
      try DriverProcess.require()
      var status: cl_int = 0
      try check(
        clGetEventInfo(
          handle.raw, cl_event_info(CL_EVENT_COMMAND_EXECUTION_STATUS), MemoryLayout<cl_int>.size,
          &status, nil),
        "clGetEventInfo(\(command))")
      if status < 0 { throw OpenCLError(status: status, call: "the command \(command)") }
      return status == CL_COMPLETE
    }
  }

  /// The command's times.
  ///
  /// - Throws: `OpenCLError` with `CL_PROFILING_INFO_NOT_AVAILABLE` if the queue was not opened
  ///   with `profiling`, or the command is not done.
  public var profile: Profile {
    get throws {
      let info = Info("clGetEventProfilingInfo", of: command) {
        clGetEventProfilingInfo(self.handle.raw, $0, $1, $2, $3)
      }
      return Profile(
        queued: try info.value(CL_PROFILING_COMMAND_QUEUED, cl_ulong(0)),
        submitted: try info.value(CL_PROFILING_COMMAND_SUBMIT, cl_ulong(0)),
        started: try info.value(CL_PROFILING_COMMAND_START, cl_ulong(0)),
        ended: try info.value(CL_PROFILING_COMMAND_END, cl_ulong(0)))
    }
  }

  /// The event's `cl_event`, valid while this object exists.
  public var rawHandle: OpaquePointer { handle.raw }

  /// Calls `body` with the events as OpenCL takes them: without events the list is null.
  ///
  /// Throws for an event that has failed already: on PoCL 3.1 commands would wait for it forever,
  /// and Intel's runtimes run commands that wait for a skipped one.
  static func withHandles<Result>(
    _ events: [Event], _ body: (cl_uint, UnsafePointer<cl_event?>?) -> Result
  ) throws -> Result {
    try DriverProcess.require()
    if events.isEmpty { return body(0, nil) }
    for event in events { _ = try event.isComplete }
    return withUnsafeTemporaryAllocation(of: cl_event?.self, capacity: events.count) { list in
      for (index, event) in events.enumerated() {
        list.initializeElement(at: index, to: event.handle.raw)
      }
      return body(cl_uint(list.count), list.baseAddress)
    }
  }
}

extension Event {
  /// The times of a command, in nanoseconds of the device's clock.
  public struct Profile: Sendable, Hashable {
    /// When the host enqueued the command.
    public let queued: UInt64

    /// When the host submitted the command to the device.
    public let submitted: UInt64

    /// When the device started the command.
    public let started: UInt64

    /// When the device finished the command.
    public let ended: UInt64

    /// The time from start to end, in nanoseconds.
    public var duration: UInt64 { ended > started ? ended - started : 0 }
  }
}
#endif
