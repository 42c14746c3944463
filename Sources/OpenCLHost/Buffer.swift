#if OpenCL
internal import CDescentOpenCL

/// Memory of a device for `count` elements of one type.
///
/// Elements lie one after another at their `stride`, as in an array; a new buffer's contents are
/// undefined. The memory is given back when the last reference to the buffer is gone and no
/// command uses it any more. Commands on one buffer in two queues need events between them.
public final class Buffer<Element: BitwiseCopyable>: Sendable {
  /// The context that the buffer belongs to.
  public let context: Context

  /// The number of elements.
  public let count: Int

  let handle: Handle

  /// Allocates memory for `count` elements, of which there may be none.
  ///
  /// Some drivers allocate at first use only, and refuse then.
  ///
  /// - Throws: `OpenCLUsageError` for a count below zero or beyond measure; `OpenCLError` where
  ///   the driver has not that much, or not in one piece.
  public init(_ context: Context, count: Int) throws {
    handle = try Self.allocate(context, count, copying: [])
    self.context = context
    self.count = count
  }

  /// Allocates memory and fills it with a copy of `elements`, without a queue.
  ///
  /// - Throws: As `init(_:count:)`.
  public init(_ context: Context, copying elements: [Element]) throws {
    handle = try Self.allocate(context, elements.count, copying: elements)
    self.context = context
    count = elements.count
  }

  /// Wraps memory of the caller's. Where device and host share memory, commands work on it without a
  /// copy; elsewhere the driver copies to and fro.
  ///
  /// The memory must outlive the buffer and every command on it, and what commands wrote is there only
  /// after `synchronize(on:)`. No one else may write it in between.
  ///
  /// - Throws: `OpenCLError` where the driver refuses.
  public init(_ context: Context, lending memory: UnsafeMutableBufferPointer<Element>) throws {
    guard let start = memory.baseAddress, !memory.isEmpty else {
      handle = try Self.allocate(context, 0, copying: [])
      self.context = context
      count = 0
      return
    }
    var status: cl_int = 0
    let size = try Self.bytes(memory.count, in: context)
    let created = clCreateBuffer(
      context.handle.raw, cl_mem_flags(CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR), size, start,
      &status)
    handle = try Handle(
      created, status, clReleaseMemObject,
      "clCreateBuffer(\(size) bytes of the host on \(context.device.name))")
    self.context = context
    count = memory.count
  }

  /// The elements' size together, in bytes.
  public var byteCount: Int { count * Self.stride }

  /// The buffer's `cl_mem`, valid as long as this object lives.
  public var rawHandle: OpaquePointer { handle.raw }

  /// Throws unless the elements lie in the buffer and the queue in its context.
  func require(_ offset: Int, _ count: Int, on queue: CommandQueue) throws {
    guard offset >= 0, count >= 0, offset <= self.count, count <= self.count - offset else {
      throw OpenCLUsageError.rangeOutsideBuffer(
        offset: offset, count: count, available: self.count)
    }
    try context.require(queue.context, "queue", than: "buffer")
  }

  /// How many elements there are from `offset` on; for any offset a count that `require` can
  /// judge.
  func remainder(from offset: Int) -> Int { max(0, count - max(0, offset)) }

  static var stride: Int { MemoryLayout<Element>.stride }

  /// How many bytes `count` elements are.
  static func bytes(_ count: Int, in context: Context) throws -> Int {
    try requireNotNegative(count, "a buffer's count")
    let (bytes, overflow) = count.multipliedReportingOverflow(by: stride)
    if overflow { throw OpenCLUsageError.sizeOverflow(count: count, stride: stride) }
    if let limit = context.allocationLimit, bytes > limit {
      throw OpenCLUsageError.allocationTooLarge(bytes: bytes, limit: limit)
    }
    return bytes
  }

  private static func allocate(
    _ context: Context, _ count: Int, copying elements: [Element]
  ) throws -> Handle {
    // OpenCL refuses a size of 0.
    let size = max(try bytes(count, in: context), stride)
    let copies = elements.isEmpty ? 0 : CL_MEM_COPY_HOST_PTR
    var status: cl_int = 0
    let created = elements.withUnsafeBytes { contents in
      clCreateBuffer(
        context.handle.raw, cl_mem_flags(CL_MEM_READ_WRITE | copies), size,
        copies == 0 ? nil : UnsafeMutableRawPointer(mutating: contents.baseAddress), &status)
    }
    return try Handle(
      created, status, clReleaseMemObject,
      "clCreateBuffer(\(size) bytes on \(context.device.name))")
  }
}
#endif
