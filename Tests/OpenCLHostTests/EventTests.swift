#if OpenCL
import OpenCLHost
import Testing

@Suite(.enabled(if: hasDevice, noDevice)) struct EventTests {
  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice), arguments: faithfulDevices)
  func timesAreInOrder(device: Device) throws {
    let setup = try Setup(device, profiling: true)
    #expect(setup.queue.isProfiling)
    let event = try Buffer<Float>(setup.context, count: 1 << 16).fill(with: 1, on: setup.queue)
    try event.wait()
    let times = try event.profile
    #expect(times.queued > 0)
    #expect(times.queued <= times.submitted)
    #expect(times.submitted <= times.started)
    #expect(times.started < times.ended)
    #expect(times.duration == times.ended - times.started)
  }

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice),
    arguments: faithfulDevices)
  func withoutProfilingThereAreNoTimes(device: Device) throws {
    let setup = try Setup(device)
    #expect(!setup.queue.isProfiling)
    let event = try Buffer<Float>(setup.context, count: 1).fill(with: 1, on: setup.queue)
    try event.wait()
    let error = try refusal { _ = try event.profile }
    #expect(error.name == "CL_PROFILING_INFO_NOT_AVAILABLE")
  }

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice),
    arguments: faithfulDevices)
  func aCommandWaitsForItsEvents(device: Device) throws {
    let setup = try Setup(device)
    let buffer = try Buffer<Int32>(setup.context, copying: [1])
    let gate = try UserEvent(setup.context)
    let fill = try buffer.fill(with: 2, on: setup.queue, after: [gate.event])
    let marker = try setup.queue.marker(after: [fill])
    try setup.queue.flush()
    #expect(try !fill.isComplete)
    #expect(try !marker.isComplete)
    try gate.complete()
    try marker.wait()
    #expect(try fill.isComplete)
    #expect(try gate.event.isComplete)
    #expect(try buffer.read(on: setup.queue) == [2])
  }

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice),
    arguments: faithfulDevices)
  func aMarkerWaitsForItsEvents(device: Device) throws {
    let setup = try Setup(device)
    let gate = try UserEvent(setup.context)
    let marker = try setup.queue.marker(after: [gate.event])
    try setup.queue.flush()
    #expect(try !marker.isComplete)
    try gate.complete()
    try Event.wait(for: [gate.event, marker])
    #expect(try marker.isComplete)
  }

  @Test(arguments: Device.all)
  func aQueueFinishes(device: Device) throws {
    let setup = try Setup(device)
    let event = try Buffer<Int32>(setup.context, count: 1000).fill(with: 2, on: setup.queue)
    try setup.queue.finish()
    #expect(try event.isComplete)
  }

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice),
    arguments: faithfulDevices)
  func aFailureHasItsName(device: Device) async throws {
    let context = try Context(device)
    let failed = try UserEvent(context)
    try failed.fail(status: -5)
    let expected = "the command user event returned CL_OUT_OF_RESOURCES (-5)"
    #expect("\(try refusal { try failed.event.wait() })" == expected)
    #expect("\(try refusal { _ = try failed.event.isComplete })" == expected)
    let error = await #expect(throws: OpenCLError.self) { try await failed.event.completion() }
    #expect(error.map { "\($0)" } == expected)
  }

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice),
    arguments: faithfulDevices)
  func aUserEventEndsOnce(device: Device) throws {
    let event = try UserEvent(try Context(device))
    #expect(throws: OpenCLError.self) { try event.fail(status: 0) }
    #expect(try !event.event.isComplete)
    try event.complete()
    #expect(throws: OpenCLError.self) { try event.complete() }
  }

  @Test(
    .enabled(if: !faithfulDevices.isEmpty, noFaithfulDevice), .timeLimit(.minutes(1)),
    arguments: faithfulDevices)
  func tasksCanWait(device: Device) async throws {
    let setup = try Setup(device)
    let buffer = try Buffer<Int32>(setup.context, count: 1000)
    // Only the wait itself flushes here.
    try await buffer.fill(with: 3, on: setup.queue).completion()
    let done = try buffer.fill(with: 4, on: setup.queue)
    try setup.queue.finish()
    try await done.completion()

    let gate = try UserEvent(setup.context)
    let fill = try buffer.fill(with: 5, on: setup.queue, after: [gate.event])
    async let waiting: Void = fill.completion()
    try gate.complete()
    try await waiting
    #expect(try buffer.read(on: setup.queue) == Array(repeating: 5, count: 1000))
  }

  @Test(arguments: Device.all)
  func anEventOutlivesItsQueue(device: Device) throws {
    let event = try {
      let setup = try Setup(device)
      return try Buffer<Int32>(setup.context, count: 1000).fill(with: 2, on: setup.queue)
    }()
    try event.wait()
    #expect(try event.isComplete)
  }
}
#endif
