#if OpenCL
import OpenCLHost

/// Copies host memory to a device that has memory of its own, and parameters back.
///
/// Vectors are transferred in chunks through pinned memory. While one chunk is updated, the next is
/// uploaded and the one before is downloaded, each in a queue of its own. A step that reads its
/// gradient first uploads all of it, and then transfers the parameters as above.
final class HostCarrier {
  /// Elements of a chunk, 1 MiB: long enough that the cost of a command is small, and short enough
  /// that the pinned memory stays in the processor's cache and that little cannot overlap (the
  /// upload of the first chunk and the download of the last). On PoCL, 32 Mi elements, 2 cores: 51
  /// ms a step, against 61 with a quarter of it and 70 with four times as much.
  static let defaultChunk = 1 << 18
  /// Chunks in flight at once: uploaded, updated, downloaded.
  private static let slotCount = 3

  /// Parameters on the device, a slice for each chunk. None is in two segments of the states. The
  /// memory is that of Floats, whatever the elements are.
  private(set) var parameters: [DeviceSlice]
  /// Gradients on the device, likewise: in chunks, and in one piece for each segment, as norms need
  /// them.
  private(set) var gradients: (chunks: [DeviceSlice], segments: [DeviceSlice])

  private struct Slot {
    let parameters: PinnedMemory<UInt8>
    let gradients: PinnedMemory<UInt8>
    var sent: [Event] = []
    var fetched: (chunk: Int, event: Event)?
  }

  private let queue: CommandQueue
  private let up: CommandQueue
  private let down: CommandQueue
  /// How the vector is cut into chunks.
  private let chunks: Pieces
  private var slots: [Slot]
  private var current = 0
  private var hostParameters: HostVector?
  /// nil where gradients are on the device already.
  private var hostGradients: HostVector?

  /// - Parameters:
  ///   - segments: the lengths that no buffer and no chunk crosses.
  ///   - chunk: elements of a chunk at most.
  init(_ queue: CommandQueue, segments: [Int], chunk: Int = defaultChunk) throws {
    var (parameters, gradients): ([DeviceSlice], [DeviceSlice]) = ([], [])
    var whole: [DeviceSlice] = []
    for count in segments {
      let x = try DeviceSlice(.float32, count: count, in: queue.context)
      let g = try DeviceSlice(.float32, count: count, in: queue.context)
      whole.append(g)
      for start in stride(from: 0, to: count, by: chunk) {
        let part = start..<min(count, start + chunk)
        parameters.append(x[part])
        gradients.append(g[part])
      }
    }
    self.parameters = parameters
    self.gradients = (gradients, whole)
    self.queue = queue
    up = try CommandQueue(queue.context)
    down = try CommandQueue(queue.context)
    chunks = Pieces(counts: parameters.map(\.count))
    let longest = (parameters.map(\.count).max() ?? 0) * ElementType.float32.size
    slots = try (0..<min(Self.slotCount, parameters.count)).map { _ in
      Slot(
        parameters: try PinnedMemory(queue, count: longest),
        gradients: try PinnedMemory(queue, count: longest))
    }
  }

  /// Takes vectors of these types from now on, in the same memory.
  func take(parameters own: ElementType, gradients type: ElementType) {
    if parameters.elementType != own { parameters = parameters.map { $0.viewed(as: own) } }
    if gradients.segments.elementType == type { return }
    gradients.chunks = gradients.chunks.map { $0.viewed(as: type) }
    gradients.segments = gradients.segments.map { $0.viewed(as: type) }
  }

  /// Begins a step over host memory, which has to stay until `finish()` or `abandon()`.
  ///
  /// - Parameter gradientsFirst: whether all gradients are sent now.
  /// - Returns: what has to be complete before the gradients are looked at.
  func begin(
    _ parameters: HostPieces, _ gradients: HostPieces, gradientsFirst: Bool
  ) throws -> [Event] {
    hostParameters = HostVector(parameters)
    hostGradients = HostVector(gradients)
    guard gradientsFirst else { return [] }
    for chunk in self.gradients.chunks.indices {
      let slot = try takeSlot()
      slots[slot].sent = [try sendGradients(chunk, slot)]
      try up.flush()
    }
    hostGradients = nil
    // All others were waited for.
    return slots.flatMap(\.sent)
  }

  /// Sends what the update of a chunk needs, once a slot is free.
  ///
  /// - Returns: what the update has to wait for.
  func send(_ chunk: Int) throws -> [Event] {
    let slot = try takeSlot()
    // What was enqueued so far works while the host copies.
    try queue.flush()
    if hostGradients != nil { slots[slot].sent = [try sendGradients(chunk, slot)] }
    let memory = part(slots[slot].parameters, parameters[chunk])
    hostParameters?.copy(from: chunks.starts[chunk], to: memory)
    slots[slot].sent.append(try parameters[chunk].enqueueWrite(memory, on: up))
    try up.flush()
    return slots[slot].sent
  }

  /// Fetches the parameters of a chunk after its update.
  ///
  /// - Parameter isAlone: whether other chunks were sent since this one was.
  func fetch(_ chunk: Int, after update: Event, isAlone: Bool = false) throws {
    if isAlone { _ = try takeSlot() }
    let fetched = try parameters[chunk].enqueueRead(
      into: part(slots[current].parameters, parameters[chunk]), on: down, after: [update])
    slots[current].fetched = (chunk, fetched)
    try queue.flush()
    try down.flush()
  }

  /// Waits for all that is in flight; the parameters are then in host memory.
  func finish() throws {
    for slot in slots.indices { try collect((current + 1 + slot) % slots.count) }
    forget()
  }

  /// Waits until nothing is in flight, with or without failures, or until the deadline: a transfer
  /// down may wait for an update that failed.
  ///
  /// - Returns: whether nothing is in flight, so that the memory can be used again.
  func abandon(by deadline: ContinuousClock.Instant) -> Bool {
    defer { forget() }
    return slots.flatMap { $0.sent + [$0.fetched?.event].compactMap { $0 } }.end(by: deadline)
  }

  private func forget() {
    for slot in slots.indices { (slots[slot].sent, slots[slot].fetched) = ([], nil) }
    (hostParameters, hostGradients) = (nil, nil)
  }

  /// The next slot, once nothing is in flight in it.
  private func takeSlot() throws -> Int {
    current = (current + 1) % slots.count
    try Event.wait(for: slots[current].sent)
    slots[current].sent = []
    try collect(current)
    return current
  }

  /// Copies a slot's parameters to where they belong, if they are in flight.
  private func collect(_ slot: Int) throws {
    guard let (chunk, event) = slots[slot].fetched else { return }
    try event.wait()
    hostParameters?.copy(part(slots[slot].parameters, parameters[chunk]), to: chunks.starts[chunk])
    slots[slot].fetched = nil
  }

  private func sendGradients(_ chunk: Int, _ slot: Int) throws -> Event {
    let memory = part(slots[slot].gradients, gradients.chunks[chunk])
    hostGradients?.copy(from: chunks.starts[chunk], to: memory)
    return try gradients.chunks[chunk].enqueueWrite(memory, on: up)
  }

  /// As much pinned memory as a slice has.
  private func part(_ pinned: PinnedMemory<UInt8>, _ slice: DeviceSlice) -> ElementBuffer {
    ElementBuffer(
      start: pinned.memory.baseAddress.map { ElementPointer($0, slice.type) }, count: slice.count)
  }
}
#endif
