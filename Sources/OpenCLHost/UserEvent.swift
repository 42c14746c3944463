#if OpenCL
internal import CDescentOpenCL

/// An event that the host completes: commands that wait for it begin after that.
///
/// Commands that wait for a user event that is never completed wait for ever, and so does any wait
/// for those commands.
public final class UserEvent: Sendable {
  /// The event that commands can wait for.
  public let event: Event

  /// Makes an event that is not complete.
  ///
  /// - Throws: `OpenCLError`.
  public init(_ context: Context) throws {
    try DriverProcess.require()
    var status: cl_int = 0
    let created = clCreateUserEvent(context.handle.raw, &status)
    event = Event(
      "user event", try Handle(created, status, clReleaseEvent, "clCreateUserEvent()"))
  }

  /// Completes the event, so that the commands that wait for it can begin.
  ///
  /// - Throws: `OpenCLError` with `CL_INVALID_OPERATION` if the event has completed or failed
  ///   already.
  public func complete() throws { try set(CL_COMPLETE) }

  /// Fails the event, and so the commands that wait for it.
  ///
  /// - Parameter status: One of OpenCL's codes, negative.
  /// - Throws: `OpenCLError` with `CL_INVALID_VALUE` if `status` is not negative, and with
  ///   `CL_INVALID_OPERATION` if the event has completed or failed already.
  public func fail(status: Int32) throws {
    // 0 would complete the event, so the driver gets a status that it rejects.
    try set(status == CL_COMPLETE ? CL_QUEUED : status)
  }

  private func set(_ status: cl_int) throws {
    try DriverProcess.require()
    try check(clSetUserEventStatus(event.handle.raw, status), "clSetUserEventStatus(\(status))")
  }
}
#endif
