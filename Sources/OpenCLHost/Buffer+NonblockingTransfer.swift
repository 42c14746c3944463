#if OpenCL
internal import CDescentOpenCL

// As the transfers that wait, these check before anything else that the elements are within the
// buffer and that the queue belongs to its context, and throw an `OpenCLUsageError` otherwise.
extension Buffer {
  /// Enqueues copying host memory into elements from `offset` on, and does not wait.
  ///
  /// The memory has to stay, and may not be written, until the event is complete or has failed;
  /// neither the buffer nor the event keeps it. So it cannot be an array's, whose pointer is valid
  /// for one call only; use the caller's own memory or a `PinnedMemory`. Drivers may wait all the
  /// same where the memory is not pinned. See `CommandQueue.flush()` for when the transfer begins.
  ///
  /// The transfer begins when `events` are complete.
  ///
  /// - Returns: The transfer's event.
  public func enqueueWrite(
    _ source: UnsafeBufferPointer<Element>, at offset: Int = 0, on queue: CommandQueue,
    after events: [Event] = []
  ) throws -> Event {
    try require(offset, source.count, on: queue)
    guard let start = source.baseAddress, !source.isEmpty else {
      return try queue.marker(after: events)
    }
    return try queue.enqueue(
      "write", after: events, "clEnqueueWriteBuffer(\(source.count) elements at \(offset))"
    ) {
      clEnqueueWriteBuffer(
        queue.handle.raw, rawHandle, cl_bool(CL_FALSE), offset * Self.stride,
        source.count * Self.stride, start, $0, $1, $2)
    }
  }

  /// Enqueues copying elements from `offset` on until `destination` is full, and does not wait.
  ///
  /// The memory has to stay, and may be neither read nor written, until the event is complete; if
  /// it failed, what the memory holds is undefined. In all else as
  /// `enqueueWrite(_:at:on:after:)`.
  ///
  /// The transfer begins when `events` are complete.
  ///
  /// - Returns: The transfer's event.
  public func enqueueRead(
    into destination: UnsafeMutableBufferPointer<Element>, from offset: Int = 0,
    on queue: CommandQueue, after events: [Event] = []
  ) throws -> Event {
    try require(offset, destination.count, on: queue)
    guard let start = destination.baseAddress, !destination.isEmpty else {
      return try queue.marker(after: events)
    }
    return try queue.enqueue(
      "read", after: events,
      "clEnqueueReadBuffer(\(destination.count) elements from \(offset))"
    ) {
      clEnqueueReadBuffer(
        queue.handle.raw, rawHandle, cl_bool(CL_FALSE), offset * Self.stride,
        destination.count * Self.stride, start, $0, $1, $2)
    }
  }
}
#endif
