#if OpenCL
import OpenCLHost
import Testing

@Suite(.enabled(if: hasDevice, noDevice)) struct BufferTests {
  @Test("a context whose largest allocation was lowered refuses more", arguments: Device.all)
  func lowered(_ device: Device) throws {
    let context = try Context(device, largestAllocation: 64)
    #expect(context.largestAllocation == 64)
    #expect(try Buffer<Float>(context, count: 16).count == 16)
    let tooLarge = OpenCLUsageError.allocationTooLarge(bytes: 68, limit: 64)
    #expect(throws: tooLarge) { try Buffer<Float>(context, count: 17) }
    #expect(throws: tooLarge) {
      try Buffer<Float>(context, copying: [Float](repeating: 0, count: 17))
    }
    var memory = [Float](repeating: 0, count: 17)
    memory.withUnsafeMutableBufferPointer { memory in
      _ = #expect(throws: tooLarge) { try Buffer(context, lending: memory) }
    }
    #expect(throws: OpenCLUsageError.allocationLimit(0)) {
      try Context(device, largestAllocation: 0)
    }
    #expect(try Context(device).largestAllocation == device.largestAllocation)
  }

  @Test(arguments: Device.all, [0, 1, 17, 1000])
  func writesComeBack(device: Device, count: Int) throws {
    let setup = try Setup(device)
    let values = (0..<count).map { Float($0) + 0.5 }
    let buffer = try Buffer<Float>(setup.context, count: count)
    try buffer.write(values, on: setup.queue)
    #expect(try buffer.read(on: setup.queue) == values)
    #expect(buffer.count == count)
    #expect(buffer.byteCount == 4 * count)
    let copied = try Buffer(setup.context, copying: values)
    #expect(try copied.read(on: setup.queue) == values)
  }

  @Test(arguments: Device.all, [(0, 3), (1, 16), (16, 1), (17, 0), (5, 7)])
  func offsetsCountElements(device: Device, range: (offset: Int, count: Int)) throws {
    let setup = try Setup(device)
    var expected = (0..<17).map(Int64.init)
    let buffer = try Buffer(setup.context, copying: expected)
    let part = (0..<range.count).map { Int64(-1 - $0) }
    try buffer.write(part, at: range.offset, on: setup.queue)
    expected.replaceSubrange(range.offset..<range.offset + range.count, with: part)
    #expect(try buffer.read(on: setup.queue) == expected)

    var read = [Int64](repeating: 0, count: range.count)
    try read.withUnsafeMutableBufferPointer {
      try buffer.read(into: $0, from: range.offset, on: setup.queue)
    }
    #expect(read == part)
  }

  @Test(arguments: Device.all)
  func elementsLieAtTheirStride(device: Device) throws {
    struct Padded: BitwiseCopyable, Equatable {
      var wide: UInt64
      var narrow: UInt8
    }
    let setup = try Setup(device)
    let buffer = try Buffer<Padded>(setup.context, count: 3)
    #expect(buffer.byteCount == 48)
    try buffer.fill(with: Padded(wide: 7, narrow: 9), on: setup.queue)
    try buffer.write([Padded(wide: 1, narrow: 2)], at: 1, on: setup.queue)
    let filled = Padded(wide: 7, narrow: 9)
    #expect(
      try buffer.read(on: setup.queue) == [filled, Padded(wide: 1, narrow: 2), filled])
  }

  @Test(arguments: Device.all)
  func fillsAndCopies(device: Device) throws {
    let setup = try Setup(device)
    let source = try Buffer<Int32>(setup.context, copying: Array(0..<10))
    let target = try Buffer<Int32>(setup.context, count: 10)
    let filled = try target.fill(with: -1, on: setup.queue)
    let copied = try source.copy(
      to: target, at: 1, from: 4, count: 3, on: setup.queue, after: [filled])
    #expect(
      try target.read(on: setup.queue, after: [copied]) == [-1, 4, 5, 6, -1, -1, -1, -1, -1, -1])
    try target.fill(with: 9, at: 8, on: setup.queue)
    try source.copy(to: target, count: 1, on: setup.queue)
    #expect(try target.read(on: setup.queue) == [0, 4, 5, 6, -1, -1, -1, -1, 9, 9])
  }

  @Test(arguments: Device.all)
  func emptyCommandsHaveEvents(device: Device) throws {
    let setup = try Setup(device)
    let empty = try Buffer<Float>(setup.context, count: 0)
    try empty.fill(with: 1, on: setup.queue).wait()
    try empty.copy(to: empty, on: setup.queue).wait()
    let failed = try UserEvent(setup.context)
    try failed.fail(status: -5)
    #expect(throws: OpenCLError.self) {
      try empty.write([], on: setup.queue, after: [failed.event])
    }
  }

  @Test(arguments: Device.all)
  func aRangeOutsideIsRefused(device: Device) throws {
    let setup = try Setup(device)
    let buffer = try Buffer<UInt8>(setup.context, copying: [1, 2, 3])
    func outside(_ offset: Int, _ count: Int) -> OpenCLUsageError {
      .rangeOutsideBuffer(offset: offset, count: count, available: 3)
    }
    #expect(throws: outside(0, 4)) { try buffer.write([9, 9, 9, 9], on: setup.queue) }
    #expect(throws: outside(-1, 1)) { try buffer.write([9], at: -1, on: setup.queue) }
    #expect(throws: outside(4, 0)) { try buffer.write([], at: 4, on: setup.queue) }
    #expect(throws: outside(.max, 1)) { try buffer.write([9], at: .max, on: setup.queue) }
    #expect(throws: outside(1, .max)) {
      try buffer.fill(with: 9, at: 1, count: .max, on: setup.queue)
    }
    #expect(throws: outside(0, -1)) { try buffer.fill(with: 9, count: -1, on: setup.queue) }
    #expect(throws: outside(.min, 3)) { try buffer.fill(with: 9, at: .min, on: setup.queue) }
    #expect(throws: outside(.max, 0)) { try buffer.fill(with: 9, at: .max, on: setup.queue) }
    #expect(throws: outside(1, 3)) {
      try buffer.copy(to: buffer, at: 1, count: 3, on: setup.queue)
    }
    var memory = [UInt8](repeating: 0, count: 2)
    #expect(throws: outside(2, 2)) {
      try memory.withUnsafeMutableBufferPointer {
        try buffer.read(into: $0, from: 2, on: setup.queue)
      }
    }
    #expect(try buffer.read(on: setup.queue) == [1, 2, 3])
  }

  @Test(arguments: Device.all)
  func anotherContextIsRefused(device: Device) throws {
    let (setup, other) = (try Setup(device), try Setup(device))
    let buffer = try Buffer<Float>(setup.context, copying: [1])
    let foreign = try Buffer<Float>(other.context, copying: [2])
    let refused = OpenCLUsageError.otherContext(what: "queue", than: "buffer")
    #expect(throws: refused) { try buffer.write([9], on: other.queue) }
    #expect(throws: refused) { try buffer.read(on: other.queue) }
    #expect(throws: refused) { try buffer.fill(with: 9, on: other.queue) }
    #expect(throws: refused) { try buffer.copy(to: foreign, on: setup.queue) }
    #expect(try buffer.read(on: setup.queue) == [1])
    #expect(try foreign.read(on: other.queue) == [2])
  }

  @Test(arguments: Device.all)
  func impossibleSizesAreErrors(device: Device) throws {
    let context = try Context(device)
    #expect(throws: OpenCLUsageError.negative(what: "a buffer's count", value: -1)) {
      try Buffer<Float>(context, count: -1)
    }
    #expect(throws: OpenCLUsageError.sizeOverflow(count: .max, stride: 4)) {
      try Buffer<Float>(context, count: .max)
    }
    let error = try refusal { _ = try Buffer<UInt8>(context, count: .max) }
    #expect(error.call == "clCreateBuffer(\(Int.max) bytes on \(device.name))")
    #expect([-61, -4, -6, -5].contains(error.status))
  }
}
#endif
