#if OpenCL
internal import CDescentOpenCL

extension Buffer {
  /// Wraps the caller's memory (`CL_MEM_USE_HOST_PTR`). If device and host share memory, commands
  /// access it without a copy; otherwise the driver copies it to the device and back.
  ///
  /// The memory must outlive the buffer and every command on it. An `owner` ensures this: it is
  /// retained until the driver releases the memory, after the last command on it. Results of
  /// commands are visible in the memory only after `synchronize(on:)`; nothing else may write the
  /// memory before that.
  ///
  /// The `owner` is released on a thread of the driver. If it is nil, the caller keeps the memory
  /// alive.
  ///
  /// - Throws: `OpenCLUsageError` for more bytes than the context's lowered limit; `OpenCLError` if
  ///   the driver rejects the memory.
  public convenience init(
    _ context: Context, lending memory: UnsafeMutableBufferPointer<Element>,
    keeping owner: (any AnyObject & Sendable)? = nil
  ) throws {
    guard let start = memory.baseAddress, !memory.isEmpty else {
      try self.init(context, count: 0)
      return
    }
    try DriverProcess.require()
    var status: cl_int = 0
    let size = try Self.bytes(memory.count, in: context)
    let created = clCreateBuffer(
      context.handle.raw, cl_mem_flags(CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR), size, start,
      &status)
    let handle = try Handle(
      created, status, clReleaseMemObject,
      "clCreateBuffer(\(size) bytes of the host on \(context.device.name))")
    if let owner { try handle.keep(owner) }
    self.init(
      context, handle, count: memory.count,
      place: (Self.hostMemory, Int(bitPattern: UnsafeMutableRawPointer(start))))
  }
}

extension Handle {
  /// Retains `owner` until the driver destroys the memory object.
  fileprivate borrowing func keep(_ owner: any AnyObject & Sendable) throws {
    let kept = Unmanaged<AnyObject>.passRetained(owner)
    let status = clSetMemObjectDestructorCallback(
      raw, { _, owner in owner.map { Unmanaged<AnyObject>.fromOpaque($0).release() } },
      kept.toOpaque())
    if status != CL_SUCCESS {
      kept.release()
      throw OpenCLError(status: status, call: "clSetMemObjectDestructorCallback()")
    }
  }
}
#endif
