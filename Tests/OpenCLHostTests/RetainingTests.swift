#if OpenCL
import CDescentOpenCL
import Foundation
import OpenCLHost
import Testing

/// A caller's handles, created by C calls.
@Suite(.enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice)) struct RetainingTests {
  private static let source =
    "kernel void add(global float *x, float by) { x[get_global_id(0)] += by; }"

  @Test("objects of a caller's work after the caller let go of them", arguments: faithfulDevices)
  func outlive(device: Device) throws {
    var raw: RawObjects? = try RawObjects([device], profiling: true)
    let memory = try #require(raw).memory(bytes: 12)
    let queue = try CommandQueue(retaining: try #require(raw).queue)
    let buffer = try Buffer<Float>(queue.context, retaining: memory)
    #expect(queue.context.rawHandle == raw?.context && queue.rawHandle == raw?.queue)
    #expect(queue.device == device && queue.isProfiling && queue.isInOrder)
    #expect(buffer.rawHandle == memory && buffer.count == 3 && buffer.isWritable)
    raw = nil
    try buffer.write([1, 2, 3], on: queue)
    let program = try Program(queue.context, sources: [("add.cl", Self.source)])
    let kernel = try program.kernel(named: "add")
    try kernel.setArgument(0, buffer)
    try kernel.setArgument(1, Float(10))
    let event = try kernel.enqueue(on: queue, global: 3)
    try event.wait()
    #expect(try event.profile.duration > 0)
    #expect(try buffer.read(on: queue) == [11, 12, 13])
  }

  @Test("every reference is given back", arguments: faithfulDevices)
  func balance(device: Device) throws {
    let raw = try RawObjects([device])
    let (memory, event) = (try raw.memory(bytes: 4096), try raw.userEvent())
    func counts() -> [cl_uint] {
      references(context: raw.context, queue: raw.queue, memory: memory, event: event)
    }
    let before = counts()
    try {
      let context = try Context(retaining: raw.context, queue: raw.queue)
      let queue = try CommandQueue(retaining: raw.queue, in: context)
      let buffer = try Buffer<Float>(context, retaining: memory)
      let part = try Buffer<Float>(context, retaining: memory, offset: 512)
      let ready = try Event(retaining: event)
      withExtendedLifetime((queue, buffer, part, ready)) {
        for (now, then) in zip(counts(), before) { #expect(now > then) }
      }
      // A rejected object is released too.
      #expect(throws: OpenCLUsageError.self) {
        try Buffer<Float>(context, retaining: memory, offset: 2000)
      }
    }()
    #expect(counts() == before)
  }

  @Test("kernels see a part's first element first, and parts of parts", arguments: faithfulDevices)
  func parts(device: Device) throws {
    let raw = try RawObjects([device])
    let lanes = device.baseAddressAlignment / 4
    let memory = try raw.memory(bytes: 16 * lanes)
    let queue = try CommandQueue(retaining: raw.queue)
    let whole = try Buffer<Float>(queue.context, retaining: memory)
    #expect(whole.count == 4 * lanes)
    try whole.fill(with: 0, on: queue)
    let half = try raw.part(of: memory, from: 4 * lanes, bytes: 12 * lanes)
    let adopted = try Buffer<Float>(queue.context, retaining: half)
    let part = try Buffer<Float>(queue.context, retaining: half, offset: lanes, count: 2)
    #expect(part.count == 2 && part.place.start == 8 * lanes)
    #expect(part.whole.overlaps(adopted.whole) && part.whole.overlaps(whole.whole))
    #expect(try !adopted.slice(0..<lanes).overlaps(part.whole))
    #expect(try !whole.slice(0..<2 * lanes).overlaps(part.whole))
    let kernel = try Program(queue.context, sources: [("add.cl", Self.source)]).kernel(named: "add")
    try kernel.setArgument(0, part)
    try kernel.setArgument(1, Float(5))
    try kernel.enqueue(on: queue, global: 2)
    try kernel.setArgument(0, adopted)
    try kernel.setArgument(1, Float(1))
    try kernel.enqueue(on: queue, global: 1)
    var expected = [Float](repeating: 0, count: 4 * lanes)
    (expected[lanes], expected[2 * lanes], expected[2 * lanes + 1]) = (1, 5, 5)
    #expect(try whole.read(on: queue) == expected)
    #expect(try part.read(on: queue) == [5, 5])
    // A part may be empty, even at the very end.
    let none = try Buffer<Float>(queue.context, retaining: memory, offset: 4 * lanes)
    #expect(try none.count == 0 && none.read(on: queue) == [])
  }

  @Test("what does not fit is refused, with what is allowed", arguments: faithfulDevices)
  func mistakes(device: Device) throws {
    let (raw, other) = (try RawObjects([device]), try RawObjects([device]))
    let context = try Context(retaining: raw.context)
    #expect(context.device == device)
    #expect(throws: OpenCLUsageError.otherContext(what: "queue", than: "cl_context")) {
      try Context(retaining: raw.context, queue: other.queue)
    }
    #expect(throws: OpenCLUsageError.otherContext(what: "cl_command_queue", than: "context")) {
      try CommandQueue(retaining: other.queue, in: context)
    }
    #expect(throws: OpenCLUsageError.allocationLimit(0)) {
      try Context(retaining: raw.context, largestAllocation: 0)
    }
    #expect(try Context(retaining: raw.context, largestAllocation: 64).largestAllocation == 64)

    let memory = try raw.memory(bytes: 4098)
    func outside(_ offset: Int, _ count: Int) -> OpenCLUsageError {
      .rangeOutsideBuffer(offset: offset, count: count, available: 1024)
    }
    // The remaining two bytes are not a Float.
    #expect(try Buffer<Float>(context, retaining: memory).count == 1024)
    #expect(throws: outside(0, 1025)) {
      try Buffer<Float>(context, retaining: memory, count: 1025)
    }
    #expect(throws: outside(1024, 1)) {
      try Buffer<Float>(context, retaining: memory, offset: 1024, count: 1)
    }
    #expect(throws: outside(-1, 1)) {
      try Buffer<Float>(context, retaining: memory, offset: -1, count: 1)
    }
    #expect(throws: outside(.max, .max)) {
      try Buffer<Float>(context, retaining: memory, offset: .max, count: .max)
    }
    #expect(throws: outside(0, -1)) { try Buffer<Float>(context, retaining: memory, count: -1) }
    let alignment = device.baseAddressAlignment
    #expect(throws: OpenCLUsageError.misaligned(offset: 4, alignment: alignment)) {
      try Buffer<Float>(context, retaining: memory, offset: 1)
    }
    #expect(
      "\(OpenCLUsageError.misaligned(offset: 4, alignment: 128))"
        == "a buffer that begins 4 bytes into its memory; allowed is a multiple of 128, or a slice of "
        + "the whole")
    #expect(throws: OpenCLUsageError.otherContext(what: "cl_mem", than: "context")) {
      try Buffer<Float>(context, retaining: try other.memory(bytes: 16))
    }
    let readOnly = try Buffer<Float>(
      context, retaining: try raw.memory(bytes: 16, flags: CL_MEM_READ_ONLY))
    #expect(!readOnly.isWritable)

    var format = cl_image_format(
      image_channel_order: cl_channel_order(CL_RGBA),
      image_channel_data_type: cl_channel_type(CL_FLOAT))
    var description = cl_image_desc()
    description.image_type = cl_mem_object_type(CL_MEM_OBJECT_IMAGE2D)
    (description.image_width, description.image_height) = (4, 4)
    var status: cl_int = 0
    let image = clCreateImage(
      raw.context, cl_mem_flags(CL_MEM_READ_WRITE), &format, &description, nil, &status)
    if let image {
      defer { clReleaseMemObject(image) }
      #expect(throws: OpenCLUsageError.notABuffer(type: 0x10F1)) {
        try Buffer<Float>(context, retaining: image)
      }
    }
  }

  @Test("an adopted event holds commands back", arguments: faithfulDevices)
  func events(device: Device) throws {
    let raw = try RawObjects([device])
    let queue = try CommandQueue(retaining: raw.queue)
    let gate = try raw.userEvent()
    let ready = try Event(retaining: gate)
    #expect(ready.command == "adopted event" && ready.rawHandle == gate)
    let fill = try Buffer<Float>(queue.context, count: 4).fill(with: 1, on: queue, after: [ready])
    try queue.flush()
    #expect(try !ready.isComplete && !fill.isComplete)
    #expect(clSetUserEventStatus(gate, CL_COMPLETE) == CL_SUCCESS)
    try fill.wait()
    #expect(try ready.isComplete)
  }

  @Test(
    "a queue out of order says so, and only events order it",
    .enabled(if: !outOfOrderDevices.isEmpty, noOutOfOrderDevice), arguments: outOfOrderDevices)
  func outOfOrder(device: Device) throws {
    let raw = try RawObjects([device], outOfOrder: true)
    let queue = try CommandQueue(retaining: raw.queue)
    #expect(!queue.isInOrder)
    let gate = try UserEvent(queue.context)
    let buffers = try (0..<3).map { _ in
      try Buffer(queue.context, copying: [Float](repeating: 0, count: 4))
    }
    let first = try buffers[0].fill(with: 1, on: queue, after: [gate.event])
    let second = try buffers[1].fill(with: 2, on: queue)
    // PoCL runs the second command while the first is held back; on an in-order queue this would
    // hang.
    try second.wait()
    #expect(try !first.isComplete)
    let last = try buffers[0].copy(to: buffers[2], on: queue, after: [first])
    try gate.complete()
    #expect(try buffers[2].read(on: queue, after: [last]) == [1, 1, 1, 1])
  }

  @Test(
    "lent memory is there after everything that was put into a queue out of order",
    .enabled(if: !outOfOrderDevices.isEmpty, noOutOfOrderDevice), arguments: outOfOrderDevices)
  func lentOutOfOrder(device: Device) throws {
    let raw = try RawObjects([device], outOfOrder: true)
    let queue = try CommandQueue(retaining: raw.queue)
    let count = 1 << 20
    var memory = [Float](repeating: 0, count: count)
    try memory.withUnsafeMutableBufferPointer { memory in
      let buffer = try Buffer(queue.context, lending: memory)
      for round in 1...20 {
        try buffer.fill(with: Float(round), on: queue)
        try buffer.synchronize(on: queue)
        #expect(memory[0] == Float(round) && memory[count - 1] == Float(round))
      }
    }
  }

  @Test("of a context of several devices one has to be named", .enabled(if: hasPoCL, noPoCL))
  func severalDevices() async {
    await #expect(processExitsWith: .success) {
      // Two devices that share one thread pool; the variable is read when the driver starts.
      setenv("POCL_DEVICES", "pthread pthread", 1)
      let devices = Array(
        Device.all.filter { $0.platform.name == "Portable Computing Language" }.prefix(2))
      try #require(devices.count == 2)
      let raw = try RawObjects(devices)
      #expect(throws: OpenCLUsageError.severalDevices(devices.map(\.name))) {
        try Context(retaining: raw.context)
      }
      for device in devices {
        let own = try RawObjects.queue(raw.context, device, outOfOrder: false)
        defer { clReleaseCommandQueue(own) }
        let context = try Context(retaining: raw.context, device: device)
        try #require(context.device == device)
        try #require(try Context(retaining: raw.context, queue: own).device == device)
        let queue = try CommandQueue(retaining: own)
        try #require(queue.device == device)
        let program = try Program(
          context, sources: [("add.cl", "kernel void add(global float *x) { *x += 1; }")])
        let buffer = try Buffer<Float>(context, copying: [1])
        let kernel = try program.kernel(named: "add")
        try kernel.setArgument(0, buffer)
        try kernel.enqueue(on: queue, global: 1)
        try #require(try buffer.read(on: queue) == [2])
        // A binary for one device can be loaded for that device.
        let again = try Program(context, binary: try program.binary())
        try #require(try again.kernelNames == ["add"])
      }
      let first = try Context(retaining: raw.context, device: devices[0])
      let ofSecond = try RawObjects.queue(raw.context, devices[1], outOfOrder: false)
      #expect(
        throws: OpenCLUsageError.otherDevice(given: devices[1].name, allowed: [devices[0].name])
      ) { try CommandQueue(retaining: ofSecond, in: first) }
      let one = try RawObjects([devices[0]])
      #expect(
        throws: OpenCLUsageError.otherDevice(given: devices[1].name, allowed: [devices[0].name])
      ) { try Context(retaining: one.context, device: devices[1]) }
      clReleaseCommandQueue(ofSecond)
    }
  }

  @Test("a part of a device is a device", arguments: faithfulDevices)
  func subdevices(device: Device) throws {
    var properties: [cl_device_partition_property] = [
      cl_device_partition_property(CL_DEVICE_PARTITION_EQUALLY), 1, 0,
    ]
    var (id, count) = (cl_device_id?.none, cl_uint(0))
    // Not every device can be partitioned.
    let status = clCreateSubDevices(device.rawHandle, &properties, 0, nil, &count)
    guard status == CL_SUCCESS, count > 0 else { return }
    var ids = [cl_device_id?](repeating: nil, count: Int(count))
    try #require(clCreateSubDevices(device.rawHandle, &properties, count, &ids, nil) == CL_SUCCESS)
    id = ids[0]
    var code: cl_int = 0
    let context = try #require(clCreateContext(nil, 1, &id, nil, nil, &code))
    defer { clReleaseContext(context) }
    let adopted = try Context(retaining: context)
    // PoCL 3.1 reports the whole device for such a context.
    #expect(adopted.device.rawHandle == id || adopted.device == device)
    let queue = try CommandQueue(adopted)
    #expect(try Buffer<Float>(adopted, copying: [1, 2]).read(on: queue) == [1, 2])
  }

  @Test("lent memory keeps its owner until no command uses it", arguments: faithfulDevices)
  func owners(device: Device) throws {
    let setup = try Setup(device)
    weak var watched: Memory?
    let gate = try UserEvent(setup.context)
    let fill: Event = try {
      let owner = Memory(count: 1000)
      watched = owner
      let buffer = try Buffer(setup.context, lending: owner.elements, keeping: owner)
      return try buffer.fill(with: 7, on: setup.queue, after: [gate.event])
    }()
    try setup.queue.flush()
    // The buffer and our reference are gone; the command is still in flight.
    let owner = try #require(watched)
    try gate.complete()
    try fill.wait()
    #expect(owner.elements[999] == 7)
  }

  @Test("lent memory lets go of its owner with the buffer", arguments: faithfulDevices)
  func ownersGo(device: Device) throws {
    let setup = try Setup(device)
    weak var watched: Memory?
    try {
      let owner = Memory(count: 1000)
      watched = owner
      let buffer = try Buffer(setup.context, lending: owner.elements, keeping: owner)
      try buffer.fill(with: 7, on: setup.queue)
      try buffer.synchronize(on: setup.queue)
    }()
    // The driver may release the memory a moment after the last command.
    for _ in 0..<1000 where watched != nil { usleep(1000) }
    #expect(watched == nil)
  }
}

/// Memory that is freed with its object.
private final class Memory: Sendable {
  // Freed on deinit, and written only by the driver and by a test that waited for it.
  nonisolated(unsafe) let elements: UnsafeMutableBufferPointer<Float>
  init(count: Int) {
    elements = .allocate(capacity: count)
    elements.initialize(repeating: 0)
  }
  deinit { elements.deallocate() }
}
#endif
