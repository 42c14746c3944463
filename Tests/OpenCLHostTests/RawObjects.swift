#if OpenCL
import CDescentOpenCL
import OpenCLHost

/// OpenCL objects of a caller, created by C calls and released on deinit.
final class RawObjects {
  let context: OpaquePointer
  private(set) var queue: OpaquePointer
  private var extra: [() -> Void] = []

  init(_ devices: [Device], outOfOrder: Bool = false, profiling: Bool = false) throws {
    var ids = devices.map { OpaquePointer?($0.rawHandle) }
    var status: cl_int = 0
    let context = clCreateContext(nil, cl_uint(ids.count), &ids, nil, nil, &status)
    guard let context else { throw OpenCLError(status: status, call: "clCreateContext") }
    self.context = context
    queue = try Self.queue(context, devices[0], outOfOrder: outOfOrder, profiling: profiling)
  }

  static func queue(
    _ context: OpaquePointer, _ device: Device, outOfOrder: Bool, profiling: Bool = false
  ) throws -> OpaquePointer {
    var status: cl_int = 0
    var properties = cl_command_queue_properties(0)
    if outOfOrder {
      properties |= cl_command_queue_properties(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
    }
    if profiling { properties |= cl_command_queue_properties(CL_QUEUE_PROFILING_ENABLE) }
    let queue = clCreateCommandQueue(context, device.rawHandle, properties, &status)
    guard let queue else { throw OpenCLError(status: status, call: "clCreateCommandQueue") }
    return queue
  }

  func memory(
    bytes: Int, flags: Int32 = CL_MEM_READ_WRITE
  ) throws -> OpaquePointer {
    var status: cl_int = 0
    let memory = clCreateBuffer(context, cl_mem_flags(flags), bytes, nil, &status)
    guard let memory else { throw OpenCLError(status: status, call: "clCreateBuffer") }
    extra.append { clReleaseMemObject(memory) }
    return memory
  }

  func part(of memory: OpaquePointer, from origin: Int, bytes: Int) throws -> OpaquePointer {
    var region = cl_buffer_region(origin: origin, size: bytes)
    var status: cl_int = 0
    let part = clCreateSubBuffer(
      memory, cl_mem_flags(CL_MEM_READ_WRITE), cl_buffer_create_type(CL_BUFFER_CREATE_TYPE_REGION),
      &region, &status)
    guard let part else { throw OpenCLError(status: status, call: "clCreateSubBuffer") }
    extra.append { clReleaseMemObject(part) }
    return part
  }

  func userEvent() throws -> OpaquePointer {
    var status: cl_int = 0
    guard let event = clCreateUserEvent(context, &status) else {
      throw OpenCLError(status: status, call: "clCreateUserEvent")
    }
    extra.append { clReleaseEvent(event) }
    return event
  }

  deinit {
    for release in extra { release() }
    clReleaseCommandQueue(queue)
    clReleaseContext(context)
  }
}

/// The reference counts of these objects.
func references(
  context: OpaquePointer, queue: OpaquePointer, memory: OpaquePointer, event: OpaquePointer
) -> [cl_uint] {
  var counts = [cl_uint](repeating: 0, count: 4)
  let size = MemoryLayout<cl_uint>.size
  clGetContextInfo(context, cl_context_info(CL_CONTEXT_REFERENCE_COUNT), size, &counts[0], nil)
  clGetCommandQueueInfo(
    queue, cl_command_queue_info(CL_QUEUE_REFERENCE_COUNT), size, &counts[1], nil)
  clGetMemObjectInfo(memory, cl_mem_info(CL_MEM_REFERENCE_COUNT), size, &counts[2], nil)
  clGetEventInfo(event, cl_event_info(CL_EVENT_REFERENCE_COUNT), size, &counts[3], nil)
  return counts
}
#endif
