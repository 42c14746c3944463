#if OpenCL
import OpenCLHost
import Testing

@Suite(.enabled(if: hasDevice, noDevice)) struct PinnedMemoryTests {
  @Test(arguments: Device.all, [1, 17, 100_003])
  func transfersGoThereAndBack(device: Device, count: Int) throws {
    let setup = try Setup(device)
    let values = (0..<count).map { Float($0) + 0.5 }
    let source = try PinnedMemory<Float>(setup.queue, count: count)
    let target = try PinnedMemory<Float>(setup.queue, count: count)
    #expect(source.count == count)
    _ = source.memory.update(fromContentsOf: values)
    target.memory.update(repeating: 0)
    let buffer = try Buffer<Float>(setup.context, count: count)
    let written = try buffer.enqueueWrite(UnsafeBufferPointer(source.memory), on: setup.queue)
    #expect(written.command == "write")
    let read = try buffer.enqueueRead(into: target.memory, on: setup.queue, after: [written])
    #expect(read.command == "read")
    try read.wait()
    #expect(Array(target.memory) == values)
  }

  @Test(arguments: Device.all)
  func partsGoToTheirPlaces(device: Device) throws {
    let setup = try Setup(device)
    let pinned = try PinnedMemory<Int32>(setup.queue, count: 3)
    _ = pinned.memory.update(fromContentsOf: [7, 8, 9])
    let buffer = try Buffer<Int32>(setup.context, copying: [0, 1, 2, 3, 4])
    try buffer.enqueueWrite(
      UnsafeBufferPointer(rebasing: pinned.memory[1...]), at: 2, on: setup.queue
    ).wait()
    #expect(try buffer.read(on: setup.queue) == [0, 1, 8, 9, 4])
    try buffer.enqueueRead(
      into: UnsafeMutableBufferPointer(rebasing: pinned.memory[..<2]), from: 3, on: setup.queue
    ).wait()
    #expect(Array(pinned.memory) == [9, 4, 9])
  }

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice), arguments: faithfulDevices)
  func nothingMovesBeforeItsEvents(device: Device) throws {
    let setup = try Setup(device)
    let pinned = try PinnedMemory<Float>(setup.queue, count: 1000)
    pinned.memory.update(repeating: 2)
    let buffer = try Buffer(setup.context, copying: [Float](repeating: 1, count: 1000))
    let gate = try UserEvent(setup.context)
    let written = try buffer.enqueueWrite(
      UnsafeBufferPointer(pinned.memory), on: setup.queue, after: [gate.event])
    let read = try buffer.enqueueRead(into: pinned.memory, on: setup.queue, after: [written])
    try setup.queue.flush()
    #expect(try !written.isComplete)
    #expect(try !read.isComplete)
    // The caller may still write the memory: the transfer reads it when it begins.
    pinned.memory[0] = 3
    try gate.complete()
    try read.wait()
    #expect(try buffer.read(on: setup.queue).prefix(2) == [3, 2])
  }

  @Test(arguments: Device.all)
  func nothingAtAllHasAnEventToo(device: Device) throws {
    let setup = try Setup(device)
    let pinned = try PinnedMemory<Float>(setup.queue, count: 0)
    #expect(pinned.memory.isEmpty)
    let buffer = try Buffer<Float>(setup.context, count: 0)
    try buffer.enqueueWrite(UnsafeBufferPointer(pinned.memory), on: setup.queue).wait()
    try buffer.enqueueRead(into: pinned.memory, on: setup.queue).wait()
  }

  @Test(arguments: Device.all)
  func mistakesAreRefused(device: Device) throws {
    let (setup, other) = (try Setup(device), try Setup(device))
    #expect(throws: OpenCLUsageError.negative(what: "pinned memory's count", value: -1)) {
      try PinnedMemory<Float>(setup.queue, count: -1)
    }
    #expect(throws: OpenCLUsageError.sizeOverflow(count: .max, stride: 4)) {
      try PinnedMemory<Float>(setup.queue, count: .max)
    }
    let error = try refusal { _ = try PinnedMemory<UInt8>(setup.queue, count: .max) }
    #expect(error.call == "clCreateBuffer(\(Int.max) pinned bytes for \(device.name))")

    let pinned = try PinnedMemory<Float>(setup.queue, count: 3)
    pinned.memory.update(repeating: 5)
    let buffer = try Buffer<Float>(setup.context, copying: [1, 2])
    let outside = OpenCLUsageError.rangeOutsideBuffer(offset: 0, count: 3, available: 2)
    #expect(throws: outside) {
      try buffer.enqueueWrite(UnsafeBufferPointer(pinned.memory), on: setup.queue)
    }
    #expect(throws: outside) { try buffer.enqueueRead(into: pinned.memory, on: setup.queue) }
    #expect(throws: OpenCLUsageError.otherContext(what: "queue", than: "buffer")) {
      try buffer.enqueueRead(
        into: UnsafeMutableBufferPointer(rebasing: pinned.memory[..<1]), on: other.queue)
    }
    #expect(Array(pinned.memory) == [5, 5, 5])
  }

  /// The last enqueued command still finds the buffer's and the memory's objects alive.
  @Test(arguments: Device.all)
  func manyComeAndGo(device: Device) throws {
    let setup = try Setup(device)
    let buffer = try Buffer<Float>(setup.context, count: 4096)
    for round in 0..<50 {
      let pinned = try PinnedMemory<Float>(setup.queue, count: 4096)
      pinned.memory.update(repeating: Float(round))
      try buffer.enqueueWrite(UnsafeBufferPointer(pinned.memory), on: setup.queue).wait()
    }
    #expect(try buffer.read(on: setup.queue) == Array(repeating: 49, count: 4096))
  }
}
#endif
