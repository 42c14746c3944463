#if OpenCL
internal import CDescentOpenCL

/// Host memory that a device reads and writes at the full speed of its bus. The driver allocates it
/// page-locked (`CL_MEM_ALLOC_HOST_PTR`), and it stays mapped while this object exists.
///
/// For copies between a buffer and pageable memory the driver uses such memory as a staging buffer,
/// which costs another copy. Whether that matters depends on the driver, so measure.
///
/// Not `Sendable`, since any holder may write it.
public final class PinnedMemory<Element: BitwiseCopyable> {
  /// The elements, valid while this object exists; undefined until they are written. An enqueued
  /// transfer of them must be complete before the object is released.
  public let memory: UnsafeMutableBufferPointer<Element>

  private let handle: Handle
  private let start: UnsafeMutableRawPointer
  private let queue: CommandQueue

  /// Allocates memory for `count` elements, which may be 0, and waits until it is mapped.
  ///
  /// The queue maps the memory and unmaps it on deinit; it is retained until then. Transfers may
  /// use any queue of its context.
  ///
  /// - Throws: `OpenCLUsageError` for a count that is negative or whose size overflows;
  ///   `OpenCLError` if the driver cannot allocate that much.
  public init(_ queue: CommandQueue, count: Int) throws {
    let stride = MemoryLayout<Element>.stride
    try requireNotNegative(count, "pinned memory's count")
    let (bytes, overflow) = count.multipliedReportingOverflow(by: stride)
    if overflow { throw OpenCLUsageError.sizeOverflow(count: count, stride: stride) }
    try DriverProcess.require()
    let size = max(bytes, stride)  // OpenCL refuses a size of 0.
    var status: cl_int = 0
    let created = clCreateBuffer(
      queue.context.handle.raw, cl_mem_flags(CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR), size, nil,
      &status)
    let handle = try Handle(
      created, status, clReleaseMemObject,
      "clCreateBuffer(\(size) pinned bytes for \(queue.device.name))")
    var mapped: UnsafeMutableRawPointer?
    try queue.run("map", after: [], "clEnqueueMapBuffer(\(size) pinned bytes)") {
      waits, list, event in
      var status: cl_int = 0
      mapped = clEnqueueMapBuffer(
        queue.handle.raw, handle.raw, cl_bool(CL_TRUE), cl_map_flags(CL_MAP_READ | CL_MAP_WRITE),
        0, size, waits, list, event, &status)
      return status
    }
    guard let mapped else {
      throw OpenCLError(
        status: CL_MAP_FAILURE, call: "clEnqueueMapBuffer(\(size) pinned bytes)",
        log: "the driver returned no address")
    }
    self.queue = queue
    self.handle = handle
    start = mapped
    memory = UnsafeMutableBufferPointer(
      start: mapped.bindMemory(to: Element.self, capacity: max(count, 1)), count: count)
  }

  deinit {
    guard DriverProcess.isOwn else { return }
    // A deinit cannot throw, so the status is ignored. The driver keeps the memory until it is
    // unmapped.
    _ = clEnqueueUnmapMemObject(queue.handle.raw, handle.raw, start, 0, nil, nil)
    _ = clFlush(queue.handle.raw)
  }

  /// The context that the memory belongs to.
  public var context: Context { queue.context }

  /// The number of elements.
  public var count: Int { memory.count }
}

@available(*, unavailable)
extension PinnedMemory: Sendable {}
#endif
