#if OpenCL
internal import CDescentOpenCL

extension CommandQueue {
  /// Enqueues commands into an existing `cl_command_queue`, which the caller may also use, and
  /// retains it. It may be out of order; see `isInOrder`.
  ///
  /// - Parameters:
  ///   - queue: a valid `cl_command_queue` of the host, which is retained.
  ///   - context: the context that the queue belongs to, for the same device; if nil, the queue's
  ///     own `cl_context` is adopted.
  /// - Throws: `OpenCLUsageError` for a queue of another context or device, or for an on-device
  ///   queue; `OpenCLError` if the driver rejects the queue.
  public convenience init(retaining queue: OpaquePointer, in context: Context? = nil) throws {
    let handle = try Handle(
      retaining: queue, clRetainCommandQueue, clReleaseCommandQueue, "clRetainCommandQueue(adopted)"
    )
    let facts = try QueueFacts(queue)
    guard !facts.has(CL_QUEUE_ON_DEVICE) else {
      throw OpenCLUsageError.queueOnDevice
    }
    let context = try context ?? Context(retaining: facts.context, queue: queue)
    guard context.handle.raw == facts.context else {
      throw OpenCLUsageError.otherContext(what: "cl_command_queue", than: "context")
    }
    guard context.device.handle.raw == facts.device else {
      throw OpenCLUsageError.otherDevice(
        given: try Device.retaining(facts.device).name, allowed: [context.device.name])
    }
    self.init(
      context, handle, isProfiling: facts.has(CL_QUEUE_PROFILING_ENABLE),
      isInOrder: !facts.has(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE))
  }
}

/// The properties of a `cl_command_queue`.
struct QueueFacts {
  let context: OpaquePointer
  let device: OpaquePointer
  let properties: cl_command_queue_properties

  init(_ queue: OpaquePointer) throws {
    let info = Info("clGetCommandQueueInfo", of: "an adopted queue") {
      clGetCommandQueueInfo(queue, $0, $1, $2, $3)
    }
    guard let context = try info.value(CL_QUEUE_CONTEXT, cl_context?.none),
      let device = try info.value(CL_QUEUE_DEVICE, cl_device_id?.none)
    else { throw OpenCLError(status: CL_INVALID_COMMAND_QUEUE, call: "clGetCommandQueueInfo") }
    (self.context, self.device) = (context, device)
    properties = try info.value(CL_QUEUE_PROPERTIES, cl_command_queue_properties(0))
  }

  func has(_ property: Int32) -> Bool {
    properties & cl_command_queue_properties(property) != 0
  }
}
#endif
