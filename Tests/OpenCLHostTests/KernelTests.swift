#if OpenCL
import OpenCLHost
import Testing

@Suite(.enabled(if: hasDevice, noDevice)) struct KernelTests {
  static let scale = """
    kernel void scale(global const float *x, global float *y, float by, uint count) {
      uint i = get_global_id(0);
      if (i < count) y[i] = by * x[i];
    }
    """

  @Test(arguments: Device.all, [1, 17, 1000])
  func itComputes(device: Device, count: Int) throws {
    let setup = try Setup(device)
    let values = (0..<count).map { Float($0) }
    let x = try Buffer(setup.context, copying: values)
    let y = try Buffer<Float>(setup.context, count: count)
    let kernel = try setup.kernel("scale", Self.scale)
    try kernel.setArgument(0, x)
    try kernel.setArgument(1, y)
    try kernel.setArgument(2, Float(3))
    try kernel.setArgument(3, UInt32(count))
    let local = min(16, kernel.maximumWorkGroupSize)
    let padded = (count + local - 1) / local * local
    let launch = try kernel.enqueue(on: setup.queue, global: padded, local: local)
    #expect(launch.command == "scale")
    #expect(try y.read(on: setup.queue, after: [launch]) == values.map { 3 * $0 })
    #expect(kernel.preferredWorkGroupSizeMultiple > 0)
    #expect(kernel.maximumWorkGroupSize <= device.maximumWorkGroupSize)
  }

  @Test(arguments: Device.all)
  func itRunsInThreeDimensions(device: Device) throws {
    let setup = try Setup(device)
    let kernel = try setup.kernel(
      "index",
      """
      kernel void index(global int *x) {
        size_t at = (get_global_id(2) * 2 + get_global_id(1)) * 4 + get_global_id(0);
        x[at] = 100 * get_local_size(0) + 10 * get_local_size(1) + get_local_size(2);
      }
      """)
    let x = try Buffer<Int32>(setup.context, copying: Array(repeating: 0, count: 25))
    try kernel.setArgument(0, x)
    try kernel.enqueue(on: setup.queue, global: (4, 2, 3), local: (2, 1, 3))
    #expect(try x.read(on: setup.queue) == Array(repeating: 213, count: 24) + [0])
    #expect(throws: OpenCLUsageError.negative(what: "the number of work-items", value: -2)) {
      try kernel.enqueue(on: setup.queue, global: (4, 2, -2))
    }
  }

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice), arguments: faithfulDevices)
  func structsAreAsLargeAsInC(device: Device) throws {
    struct Pair: BitwiseCopyable {
      var wide: Int64
      var narrow: Int32
    }
    let setup = try Setup(device)
    let kernel = try setup.kernel(
      "add",
      """
      typedef struct { long wide; int narrow; } Pair;
      kernel void add(global long *x, Pair p) { x[0] = p.wide + p.narrow + sizeof(Pair); }
      """)
    let x = try Buffer<Int64>(setup.context, count: 1)
    try kernel.setArgument(0, x)
    try kernel.setArgument(1, Pair(wide: 1000, narrow: 100))
    try kernel.enqueue(on: setup.queue, global: 1)
    #expect(try x.read(on: setup.queue) == [1116])
  }

  @Test(arguments: Device.all)
  func localMemoryAndBytesArePassed(device: Device) throws {
    let setup = try Setup(device)
    let kernel = try setup.kernel(
      "f",
      """
      kernel void f(global int *x, local int *scratch, int4 v) {
        scratch[0] = v.s0 + v.s1 + v.s2 + v.s3;
        x[0] = scratch[0];
      }
      """)
    let x = try Buffer<Int32>(setup.context, count: 1)
    try kernel.setArgument(0, x)
    try kernel.setArgument(1, localBytes: 16)
    let lanes = [1, 2, 3, 4] as [Int32]
    try lanes.withUnsafeBytes { try kernel.setArgument(2, bytes: $0) }
    try kernel.enqueue(on: setup.queue, global: 1, local: 1)
    #expect(try x.read(on: setup.queue) == [10])
    try kernel.setArgument(2, SIMD4<Int32>(5, 6, 7, 8))
    try kernel.enqueue(on: setup.queue, global: 1, local: 1)
    #expect(try x.read(on: setup.queue) == [26])
  }

  @Test(arguments: Device.all)
  func aBufferLivesAsLongAsItIsAnArgument(device: Device) throws {
    let setup = try Setup(device)
    let kernel = try setup.kernel("f", "kernel void f(global int *x) { x[0] = 1; }")
    weak var weakly: Buffer<Int32>?
    do {
      let buffer = try Buffer<Int32>(setup.context, count: 1)
      weakly = buffer
      try kernel.setArgument(0, buffer)
    }
    #expect(weakly != nil)
    try kernel.enqueue(on: setup.queue, global: 1).wait()
    try kernel.setArgument(0, try Buffer<Int32>(setup.context, count: 1))
    #expect(weakly == nil)
  }

  @Test(arguments: Device.all)
  func mistakesAreRefused(device: Device) throws {
    let (setup, other) = (try Setup(device), try Setup(device))
    let kernel = try setup.kernel("f", "kernel void f(global int *x) { x[0] = 1; }")
    let foreign = try Buffer<Int32>(other.context, count: 1)
    #expect(throws: OpenCLUsageError.otherContext(what: "buffer", than: "kernel")) {
      try kernel.setArgument(0, foreign)
    }
    for index in [-1, 1] {
      let refused = OpenCLUsageError.noSuchArgument(index: index, kernel: "f", argumentCount: 1)
      #expect(throws: refused) { try kernel.setArgument(index, Int32(1)) }
    }
    try kernel.setArgument(0, try Buffer<Int32>(setup.context, count: 1))
    #expect(throws: OpenCLUsageError.otherContext(what: "queue", than: "kernel")) {
      try kernel.enqueue(on: other.queue, global: 1)
    }
    #expect(throws: OpenCLUsageError.negative(what: "the number of work-items", value: -1)) {
      try kernel.enqueue(on: setup.queue, global: -1)
    }
    #expect(throws: OpenCLUsageError.negative(what: "the size of a work-group", value: -1)) {
      try kernel.enqueue(on: setup.queue, global: 1, local: -1)
    }
  }

  @Test(arguments: Device.all)
  func theDriversRefusalsHaveNames(device: Device) throws {
    let setup = try Setup(device)
    let kernel = try setup.kernel("f", "kernel void f(global int *x, float y) { x[0] = y; }")
    let unset = try refusal { try kernel.enqueue(on: setup.queue, global: 1) }
    #expect(unset.name == "CL_INVALID_KERNEL_ARGS")
    try kernel.setArgument(0, try Buffer<Int32>(setup.context, count: 1))
    try kernel.setArgument(1, Float(1))
    let large = 2 * device.maximumWorkGroupSize
    let error = try refusal {
      try kernel.enqueue(on: setup.queue, global: large, local: large)
    }
    #expect(["CL_INVALID_WORK_GROUP_SIZE", "CL_INVALID_WORK_ITEM_SIZE"].contains(error.name))
    #expect(error.call == "clEnqueueNDRangeKernel(f, global \(large), local \(large))")
    let size = try refusal { try kernel.setArgument(1, Int64(1)) }
    #expect(size.name == "CL_INVALID_ARG_SIZE")
  }
}
#endif
