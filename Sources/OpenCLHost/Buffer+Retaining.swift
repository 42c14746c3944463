#if OpenCL
internal import CDescentOpenCL

extension Buffer {
  /// Wraps elements of the caller's `cl_mem` without a copy, and retains it.
  ///
  /// With an `offset` the buffer is a sub-buffer of the memory (`clCreateSubBuffer`), so that a
  /// kernel's index 0 is its first element; the offset must have the alignment that the device
  /// requires. A part that begins anywhere is a slice of the whole: `buffer.slice(3..<7)`. Commands
  /// of the caller on the same elements must be ordered by events with those on the buffer.
  ///
  /// - Parameters:
  ///   - context: the context that the memory belongs to.
  ///   - memory: a valid `cl_mem`, which is retained: a buffer or a sub-buffer.
  ///   - offset: the number of elements in the memory before the buffer's first.
  ///   - count: the number of elements; nil for all from the offset on.
  /// - Throws: `OpenCLUsageError` for memory of another context, for memory that is not a buffer,
  ///   for elements outside it, and for an offset that the device does not allow; `OpenCLError` if
  ///   the driver rejects the memory.
  public convenience init(
    _ context: Context, retaining memory: OpaquePointer, offset: Int = 0, count: Int? = nil
  ) throws {
    let handle = try Handle(
      retaining: memory, clRetainMemObject, clReleaseMemObject, "clRetainMemObject(adopted)")
    let facts = try MemoryFacts(memory)
    guard facts.context == context.handle.raw else {
      throw OpenCLUsageError.otherContext(what: "cl_mem", than: "context")
    }
    guard facts.type == cl_mem_object_type(CL_MEM_OBJECT_BUFFER) else {
      throw OpenCLUsageError.notABuffer(type: facts.type)
    }
    let available = facts.bytes / Self.stride
    let count = count ?? max(0, available - max(0, offset))
    guard offset >= 0, count >= 0, offset <= available, count <= available - offset else {
      throw OpenCLUsageError.rangeOutsideBuffer(offset: offset, count: count, available: available)
    }
    let start = facts.start + offset * Self.stride
    let place =
      facts.hostStart.map { (Self.hostMemory, Int(bitPattern: $0) + start) }
      ?? (UInt(bitPattern: facts.whole), start)
    // An empty buffer needs no sub-buffer, and OpenCL has no empty ones.
    guard offset > 0, count > 0 else {
      self.init(context, handle, count: count, isWritable: facts.isWritable, place: place)
      return
    }
    let alignment = max(1, context.device.baseAddressAlignment)
    guard start % alignment == 0 else {
      throw OpenCLUsageError.misaligned(offset: start, alignment: alignment)
    }
    // OpenCL does not allow sub-buffers of sub-buffers, so the part is one of the whole memory.
    var region = cl_buffer_region(origin: start, size: count * Self.stride)
    var status: cl_int = 0
    let part = clCreateSubBuffer(
      facts.whole, facts.access, cl_buffer_create_type(CL_BUFFER_CREATE_TYPE_REGION), &region,
      &status)
    self.init(
      context,
      try Handle(
        part, status, clReleaseMemObject, "clCreateSubBuffer(\(count) elements from \(offset))"),
      count: count, isWritable: facts.isWritable, place: place)
  }
}

/// The properties of a `cl_mem`.
private struct MemoryFacts {
  let context: OpaquePointer?
  let type: cl_mem_object_type
  let bytes: Int
  /// The memory of which it is a sub-buffer, or itself, and its byte offset there.
  let whole: OpaquePointer
  let start: Int
  let access: cl_mem_flags
  /// The address of the whole memory, if it wraps host memory.
  let hostStart: UnsafeMutableRawPointer?

  init(_ memory: OpaquePointer) throws {
    let info = Info("clGetMemObjectInfo", of: "an adopted buffer") {
      clGetMemObjectInfo(memory, $0, $1, $2, $3)
    }
    context = try info.value(CL_MEM_CONTEXT, cl_context?.none)
    type = try info.value(CL_MEM_TYPE, cl_mem_object_type(0))
    bytes = try info.value(CL_MEM_SIZE, 0)
    whole = try info.value(CL_MEM_ASSOCIATED_MEMOBJECT, cl_mem?.none) ?? memory
    let start = whole == memory ? 0 : try info.value(CL_MEM_OFFSET, 0)
    self.start = start
    let flags = try info.value(CL_MEM_FLAGS, cl_mem_flags(0))
    access = flags & cl_mem_flags(CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY)
    let wraps = flags & cl_mem_flags(CL_MEM_USE_HOST_PTR) != 0
    let own = wraps ? try info.value(CL_MEM_HOST_PTR, UnsafeMutableRawPointer?.none) : nil
    // For a sub-buffer the driver returns its own address, not that of the whole memory.
    hostStart = own.map { $0 - start }
  }

  var isWritable: Bool { access & cl_mem_flags(CL_MEM_READ_ONLY) == 0 }
}
#endif
