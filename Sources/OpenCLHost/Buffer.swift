#if OpenCL
internal import CDescentOpenCL

/// Device memory for `count` elements of one type.
///
/// Elements are contiguous at their `stride`, as in an array; a new buffer's contents are
/// undefined. The memory is released when the last reference to the buffer is gone and no command
/// uses it. Commands on one buffer in two queues must be ordered by events.
public final class Buffer<Element: BitwiseCopyable>: Sendable {
  /// The context that the buffer belongs to.
  public let context: Context

  /// The number of elements.
  public let count: Int

  /// Whether kernels may write the elements; false for adopted memory that is `CL_MEM_READ_ONLY`.
  public let isWritable: Bool

  /// Identifies the memory that holds the elements, and the byte offset of the first element in it.
  /// Buffers of one `cl_mem`, or of parts of it, share their elements, and so do buffers that wrap
  /// the same host memory. For host memory, `memory` is `hostMemory` and `start` is the address.
  package let place: (memory: UInt, start: Int)

  /// The value of `place.memory` for host memory.
  static var hostMemory: UInt { 0 }

  private let memory: MemoryObject

  /// Allocates memory for `count` elements, which may be 0.
  ///
  /// Some drivers allocate at first use only, and fail then.
  ///
  /// - Throws: `OpenCLUsageError` for a count that is negative, whose size overflows, or whose size
  ///   is above the context's lowered limit; `OpenCLError` if the driver cannot allocate that much,
  ///   or not in one piece.
  public convenience init(_ context: Context, count: Int) throws {
    self.init(context, try Self.allocate(context, count, copying: []), count: count)
  }

  /// Takes over a reference to memory of the context.
  init(
    _ context: Context, _ handle: consuming Handle, count: Int, isWritable: Bool = true,
    place: (memory: UInt, start: Int)? = nil
  ) {
    (self.context, self.count, self.isWritable) = (context, count, isWritable)
    self.place = place ?? (UInt(bitPattern: handle.raw), 0)
    memory = MemoryObject(handle)
  }

  /// The same memory as elements of another type, without a call of the driver.
  ///
  /// - Parameter count: as many as the memory holds, or fewer.
  package init<Other>(viewing other: Buffer<Other>, count: Int) {
    (context, isWritable, place) = (other.context, other.isWritable, other.place)
    (memory, self.count) = (other.memory, count)
  }

  /// Allocates memory and fills it with a copy of `elements`, without a queue.
  ///
  /// - Throws: As `init(_:count:)`.
  public convenience init(_ context: Context, copying elements: [Element]) throws {
    let handle = try Self.allocate(context, elements.count, copying: elements)
    self.init(context, handle, count: elements.count)
  }

  /// The size of all elements in bytes.
  public var byteCount: Int { count * Self.stride }

  /// The buffer's `cl_mem`, valid while this object exists.
  public var rawHandle: OpaquePointer { memory.handle.raw }

  /// Throws unless the elements are within the buffer and the queue belongs to its context.
  func require(_ offset: Int, _ count: Int, on queue: CommandQueue) throws {
    guard offset >= 0, count >= 0, offset <= self.count, count <= self.count - offset else {
      throw OpenCLUsageError.rangeOutsideBuffer(
        offset: offset, count: count, available: self.count)
    }
    try context.require(queue.context, "queue", than: "buffer")
  }

  /// The number of elements from `offset` on. Takes any offset; `require` rejects invalid ones.
  func remainder(from offset: Int) -> Int { max(0, count - max(0, offset)) }

  static var stride: Int { MemoryLayout<Element>.stride }

  /// The size of `count` elements in bytes.
  static func bytes(_ count: Int, in context: Context) throws -> Int {
    try requireNotNegative(count, "a buffer's count")
    let (bytes, overflow) = count.multipliedReportingOverflow(by: stride)
    if overflow { throw OpenCLUsageError.sizeOverflow(count: count, stride: stride) }
    if let limit = context.allocationLimit, bytes > limit {
      throw OpenCLUsageError.allocationTooLarge(bytes: bytes, limit: limit)
    }
    return bytes
  }

  static func allocate(
    _ context: Context, _ count: Int, copying elements: [Element]
  ) throws -> Handle {
    try DriverProcess.require()
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

/// A reference to a `cl_mem` that buffers of several types share.
private final class MemoryObject: Sendable {
  let handle: Handle

  init(_ handle: consuming Handle) { self.handle = handle }
}
#endif
