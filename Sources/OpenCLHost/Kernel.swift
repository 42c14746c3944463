#if OpenCL
internal import CDescentOpenCL

/// A kernel of a program, with its arguments.
///
/// Not `Sendable`: setting an argument while another thread sets one or enqueues the kernel is a
/// race. Each thread can create its own kernel by `Program.kernel(named:)`. Arguments stay set from
/// one launch to the next, and a launch uses their values at that moment.
public final class Kernel {
  /// The kernel's name in the source.
  public let name: String

  /// The number of arguments, all of which must be set.
  public let argumentCount: Int

  /// The maximum size of a work-group of this kernel on the device.
  public let maximumWorkGroupSize: Int

  /// The preferred multiple for the size of a work-group.
  public let preferredWorkGroupSizeMultiple: Int

  /// The context that the kernel belongs to.
  public let context: Context

  private let handle: Handle

  // The buffers by argument. A driver retains a buffer from the launch on, and not before.
  private var buffers: [AnyObject?]

  init(_ program: borrowing Program, named name: String) throws {
    try DriverProcess.require()
    let device = program.context.device.handle.raw
    var status: cl_int = 0
    let created = clCreateKernel(program.handle.raw, name, &status)
    let handle = try Handle(created, status, clReleaseKernel, "clCreateKernel(\(name))")
    let raw = handle.raw
    let info = Info("clGetKernelInfo", of: name) { clGetKernelInfo(raw, $0, $1, $2, $3) }
    let group = Info("clGetKernelWorkGroupInfo", of: name) {
      clGetKernelWorkGroupInfo(raw, device, $0, $1, $2, $3)
    }
    self.name = name
    argumentCount = try info.integer(CL_KERNEL_NUM_ARGS, cl_uint.self)
    maximumWorkGroupSize = try group.integer(CL_KERNEL_WORK_GROUP_SIZE, Int.self)
    preferredWorkGroupSizeMultiple =
      try group.integer(CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, Int.self)
    context = program.context
    buffers = Array(repeating: nil, count: argumentCount)
    self.handle = handle
  }

  /// Sets a pointer argument, and retains the buffer until the argument is set again.
  ///
  /// - Throws: `OpenCLUsageError` for a buffer of another context or an index that the kernel does
  ///   not have.
  public func setArgument<Element>(_ index: Int, _ buffer: Buffer<Element>) throws {
    try context.require(buffer.context, "buffer", than: "kernel")
    var memory: cl_mem? = buffer.rawHandle
    try set(index, MemoryLayout<cl_mem?>.size, &memory)
    buffers[index] = buffer
  }

  /// Sets an argument that is passed by value: a number, a vector or a struct.
  ///
  /// The value's `stride` bytes are passed, as many as C's `sizeof` counts. The type must match the
  /// argument's: `Int32` for `int`, `UInt64` for `ulong`. A bare literal is an `Int`.
  ///
  /// - Throws: `OpenCLError` with `CL_INVALID_ARG_SIZE` if the driver expects another size.
  @inlinable
  public func setArgument<Value: BitwiseCopyable>(_ index: Int, _ value: Value) throws {
    // A separate allocation of `stride` bytes: the value itself has only `size`.
    try withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) {
      $0.initialize(repeating: value)
      try setArgument(index, bytes: UnsafeRawBufferPointer($0))
    }
  }

  /// Sets an argument that is passed by value to these bytes, which are copied.
  public func setArgument(_ index: Int, bytes: UnsafeRawBufferPointer) throws {
    try set(index, bytes.count, bytes.baseAddress)
    buffers[index] = nil
  }

  /// Sets a `local` pointer argument: memory for each work-group.
  public func setArgument(_ index: Int, localBytes: Int) throws {
    try requireNotNegative(localBytes, "local memory")
    try set(index, localBytes, nil)
    buffers[index] = nil
  }

  /// Enqueues the kernel over `global` items in one dimension, in work-groups of `local`.
  ///
  /// - Parameters:
  ///   - queue: A queue of the program's context.
  ///   - global: The number of items; before OpenCL 2.0 a multiple of `local`.
  ///   - local: The size of a work-group; `nil` leaves it to the driver.
  ///   - events: The events that must be complete before the kernel begins.
  /// - Returns: The launch's event.
  /// - Throws: `OpenCLUsageError` for a queue of another context or a size below zero;
  ///   `OpenCLError`, for example with `CL_INVALID_WORK_GROUP_SIZE`, or with
  ///   `CL_INVALID_KERNEL_ARGS` if an argument was never set.
  @discardableResult
  public func enqueue(
    on queue: CommandQueue, global: Int, local: Int? = nil, after events: [Event] = []
  ) throws -> Event {
    try launch(
      on: queue, 1, (global, 1, 1), local.map { ($0, 1, 1) }, after: events,
      "global \(global), local \(local.map(String.init) ?? "any")")
  }

  /// Enqueues the kernel over work-items in three dimensions, of which the later ones may be 1.
  ///
  /// Otherwise as the launch in one dimension.
  @discardableResult
  public func enqueue(
    on queue: CommandQueue, global: (Int, Int, Int), local: (Int, Int, Int)? = nil,
    after events: [Event] = []
  ) throws -> Event {
    try launch(
      on: queue, 3, global, local, after: events,
      "global \(global), local \(local.map { "\($0)" } ?? "any")")
  }

  private func launch(
    on queue: CommandQueue, _ dimensions: cl_uint, _ global: (Int, Int, Int),
    _ local: (Int, Int, Int)?, after events: [Event], _ sizes: @autoclosure () -> String
  ) throws -> Event {
    try context.require(queue.context, "queue", than: "kernel")
    var items = global
    var group = local ?? (0, 0, 0)
    try requireNotNegative(min(items.0, items.1, items.2), "the number of work-items")
    try requireNotNegative(min(group.0, group.1, group.2), "the size of a work-group")
    return try queue.enqueue(
      name, after: events, "clEnqueueNDRangeKernel(\(name), \(sizes()))"
    ) { count, list, event in
      withUnsafeBytes(of: &items) { items in
        withUnsafeBytes(of: &group) { group in
          clEnqueueNDRangeKernel(
            queue.handle.raw, handle.raw, dimensions, nil,
            items.assumingMemoryBound(to: Int.self).baseAddress,
            local == nil ? nil : group.assumingMemoryBound(to: Int.self).baseAddress, count, list,
            event)
        }
      }
    }
  }

  /// The kernel's `cl_kernel`, valid while this object exists.
  public var rawHandle: OpaquePointer { handle.raw }

  private func set(_ index: Int, _ size: Int, _ value: UnsafeRawPointer?) throws {
    try DriverProcess.require()
    guard buffers.indices.contains(index) else {
      throw OpenCLUsageError.noSuchArgument(
        index: index, kernel: name, argumentCount: argumentCount)
    }
    try check(
      clSetKernelArg(handle.raw, cl_uint(index), size, value),
      "clSetKernelArg(\(name), argument \(index), \(size) bytes)")
  }
}

@available(*, unavailable)
extension Kernel: Sendable {}
#endif
