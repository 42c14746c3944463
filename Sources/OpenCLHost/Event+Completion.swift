#if OpenCL
internal import CDescentOpenCL

extension Event {
  /// Waits for the command like `wait()`, without blocking a thread.
  ///
  /// The command's queue is flushed first. Cancelling the task does not end the wait, since an
  /// enqueued command cannot be cancelled.
  ///
  /// - Throws: `OpenCLError` with the command's own status if it failed.
  public func completion() async throws {
    try flushQueue()
    try await withCheckedThrowingContinuation { continuation in
      let waiter = Unmanaged.passRetained(Waiter(continuation))
      let status = clSetEventCallback(handle.raw, CL_COMPLETE, wake, waiter.toOpaque())
      // A driver that accepted the callback calls it once, whether the command completes or fails.
      if status != CL_SUCCESS {
        let error = OpenCLError(status: status, call: "clSetEventCallback(\(command))")
        waiter.takeRetainedValue().continuation.resume(throwing: error)
      }
    }
    // PoCL 3.1 reports an event that failed earlier as complete to a callback; the event itself has
    // the error.
    try wait()
  }

  private func flushQueue() throws {
    let info = Info("clGetEventInfo", of: command) {
      clGetEventInfo(self.handle.raw, $0, $1, $2, $3)
    }
    let queue = try info.value(CL_EVENT_COMMAND_QUEUE, cl_command_queue?.none)
    // A user event has no queue.
    if let queue { try check(clFlush(queue), "clFlush(\(command))") }
  }
}

/// A suspended task's continuation, as an object for a C callback's `user_data`.
private final class Waiter: Sendable {
  let continuation: CheckedContinuation<Void, any Error>

  init(_ continuation: CheckedContinuation<Void, any Error>) {
    self.continuation = continuation
  }
}

/// Called once by the driver, on one of its threads.
private func wake(_: cl_event?, _: cl_int, _ waiter: UnsafeMutableRawPointer?) {
  guard let waiter else { return }
  Unmanaged<Waiter>.fromOpaque(waiter).takeRetainedValue().continuation.resume()
}
#endif
