#if OpenCL
internal import CDescentOpenCL

// Like the blocking transfers, these first check that the elements are within the buffer and that
// the queue belongs to its context, and throw an `OpenCLUsageError` otherwise.
extension Buffer {
  /// Enqueues a copy of host memory into the elements from `offset` on, and does not wait.
  ///
  /// The memory must stay valid, and must not be written, until the event is complete or has
  /// failed; neither the buffer nor the event retains it. The pointer of an array is valid for one
  /// call only, so use memory of your own or a `PinnedMemory`. Drivers may wait anyway if the
  /// memory is not pinned. See `CommandQueue.flush()` for when the transfer begins.
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

  /// Enqueues a copy of the elements from `offset` on until `destination` is full, and does not
  /// wait.
  ///
  /// The memory must stay valid, and must be neither read nor written, until the event is complete.
  /// If the transfer failed, the contents of the memory are undefined. Otherwise as
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
