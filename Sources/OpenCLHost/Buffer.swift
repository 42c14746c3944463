#if OpenCL
internal import CDescentOpenCL

/// Memory of a device for `count` elements of one type.
///
/// Elements are contiguous at their `stride`, as in an array; a new buffer's contents are
/// undefined. The memory is given back when the last reference to the buffer is gone and no command
/// uses it any more. Commands on one buffer in two queues need events between them.
public final class Buffer<Element: BitwiseCopyable>: Sendable {
  /// The context that the buffer belongs to.
  public let context: Context

  /// The number of elements.
  public let count: Int

  /// Whether kernels may write the elements; not so in adopted memory that is `CL_MEM_READ_ONLY`.
  public let isWritable: Bool

  /// The memory that holds the elements, and the byte offset of the first: buffers around one
  /// `cl_mem`, or around parts of it, share their elements, and so do buffers that wrap the same
  /// memory of the host's. That is `hostMemory`, where elements begin at their address.
  package let place: (memory: UInt, start: Int)

  /// The value of `place.memory` for memory of the host's.
  static var hostMemory: UInt { 0 }

  private let memory: MemoryObject

  /// Allocates memory for `count` elements, of which there may be none.
  ///
  /// Some drivers allocate at first use only, and refuse then.
  ///
  /// - Throws: `OpenCLUsageError` for a count below zero or beyond measure; `OpenCLError` where
  ///   the driver has not that much, or not in one piece.
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

  /// The elements' size together, in bytes.
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
