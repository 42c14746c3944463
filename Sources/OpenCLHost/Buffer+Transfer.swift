#if OpenCL
internal import CDescentOpenCL

// All of these first check that the elements are within the buffer and that the queue belongs to
// its context, and throw an `OpenCLUsageError` otherwise.
extension Buffer {
  /// Copies host memory into the elements from `offset` on, and waits until that is done.
  ///
  /// The transfer begins when `events` are complete.
  public func write(
    _ source: UnsafeBufferPointer<Element>, at offset: Int = 0, on queue: CommandQueue,
    after events: [Event] = []
  ) throws {
    try require(offset, source.count, on: queue)
    guard let start = source.baseAddress, !source.isEmpty else {
      return try Event.wait(for: events)
    }
    try queue.run(
      "write", after: events, "clEnqueueWriteBuffer(\(source.count) elements at \(offset))"
    ) {
      clEnqueueWriteBuffer(
        queue.handle.raw, rawHandle, cl_bool(CL_TRUE), offset * Self.stride,
        source.count * Self.stride, start, $0, $1, $2)
    }
  }

  /// Copies an array into the elements from `offset` on, and waits until that is done.
  ///
  /// The transfer begins when `events` are complete.
  public func write(
    _ source: [Element], at offset: Int = 0, on queue: CommandQueue, after events: [Event] = []
  ) throws {
    try source.withUnsafeBufferPointer {
      try write($0, at: offset, on: queue, after: events)
    }
  }

  /// Copies the elements from `offset` on until `destination` is full, and waits until that is
  /// done.
  ///
  /// The transfer begins when `events` are complete.
  public func read(
    into destination: UnsafeMutableBufferPointer<Element>, from offset: Int = 0,
    on queue: CommandQueue, after events: [Event] = []
  ) throws {
    try require(offset, destination.count, on: queue)
    guard let start = destination.baseAddress, !destination.isEmpty else {
      return try Event.wait(for: events)
    }
    try queue.run(
      "read", after: events,
      "clEnqueueReadBuffer(\(destination.count) elements from \(offset))"
    ) {
      clEnqueueReadBuffer(
        queue.handle.raw, rawHandle, cl_bool(CL_TRUE), offset * Self.stride,
        destination.count * Self.stride, start, $0, $1, $2)
    }
  }

  /// Reads all elements, after `events` are complete and, in an in-order queue, all earlier
  /// commands.
  public func read(on queue: CommandQueue, after events: [Event] = []) throws -> [Element] {
    guard count > 0 else {
      try require(0, 0, on: queue)
      try Event.wait(for: events)
      return []
    }
    return try [Element](unsafeUninitializedCapacity: count) { memory, initialized in
      let destination = UnsafeMutableBufferPointer(rebasing: memory[..<count])
      try read(into: destination, on: queue, after: events)
      initialized = count
    }
  }

  /// Enqueues a fill of elements with `value`: all from `offset` on, or `count` of them.
  ///
  /// The command begins when `events` are complete.
  ///
  /// - Returns: The command's event.
  /// - Throws: `OpenCLError` with `CL_INVALID_VALUE` if an element's stride is not a power of two
  ///   up to 128 bytes.
  @discardableResult
  public func fill(
    with value: Element, at offset: Int = 0, count: Int? = nil, on queue: CommandQueue,
    after events: [Event] = []
  ) throws -> Event {
    let count = count ?? remainder(from: offset)
    try require(offset, count, on: queue)
    guard count > 0 else { return try queue.marker(after: events) }
    // A separate allocation of `stride` bytes: the value itself has only `size`.
    return try withUnsafeTemporaryAllocation(of: Element.self, capacity: 1) { pattern in
      pattern.initialize(repeating: value)
      return try queue.enqueue(
        "fill", after: events, "clEnqueueFillBuffer(\(count) elements at \(offset))"
      ) {
        clEnqueueFillBuffer(
          queue.handle.raw, rawHandle, pattern.baseAddress, Self.stride, offset * Self.stride,
          count * Self.stride, $0, $1, $2)
      }
    }
  }

  /// Enqueues a copy of elements to another buffer of the context: all from `offset` on, or
  /// `count`.
  ///
  /// The command begins when `events` are complete.
  ///
  /// - Returns: The command's event.
  /// - Throws: `OpenCLError` with `CL_MEM_COPY_OVERLAP` if source and destination overlap.
  @discardableResult
  public func copy(
    to destination: Buffer, at destinationOffset: Int = 0, from offset: Int = 0,
    count: Int? = nil, on queue: CommandQueue, after events: [Event] = []
  ) throws -> Event {
    let count = count ?? remainder(from: offset)
    try require(offset, count, on: queue)
    try destination.require(destinationOffset, count, on: queue)
    guard count > 0 else { return try queue.marker(after: events) }
    return try queue.enqueue(
      "copy", after: events,
      "clEnqueueCopyBuffer(\(count) elements from \(offset) to \(destinationOffset))"
    ) {
      clEnqueueCopyBuffer(
        queue.handle.raw, rawHandle, destination.rawHandle, offset * Self.stride,
        destinationOffset * Self.stride, count * Self.stride, $0, $1, $2)
    }
  }

  /// Waits for all commands enqueued so far, and makes their results visible in the host memory
  /// that the buffer wraps (`init(_:lending:keeping:)`).
  ///
  /// - Throws: `OpenCLUsageError` for a queue of another context; `OpenCLError` if a command
  ///   failed.
  public func synchronize(on queue: CommandQueue, after events: [Event] = []) throws {
    try require(0, count, on: queue)
    guard count > 0 else { return }
    // On an out-of-order queue the map must wait for the earlier commands explicitly.
    let events = queue.isInOrder ? events : events + [try queue.marker()]
    // Mapped and unmapped at once: the standard allows the host to access the memory only while it
    // is mapped, but drivers leave the contents unchanged after the unmap.
    var mapped: UnsafeMutableRawPointer?
    try queue.run("map", after: events, "clEnqueueMapBuffer(\(count) elements)") {
      waits, list, event in
      var status: cl_int = 0
      mapped = clEnqueueMapBuffer(
        queue.handle.raw, rawHandle, cl_bool(CL_TRUE), cl_map_flags(CL_MAP_READ), 0, byteCount,
        waits, list, event, &status)
      return status
    }
    try queue.run("unmap", after: [], "clEnqueueUnmapMemObject") {
      clEnqueueUnmapMemObject(queue.handle.raw, rawHandle, mapped, $0, $1, $2)
    }
  }
}
#endif
