#if OpenCL
import OpenCLHost

/// A ring of staging slots for the groups' values that kernels read: one slot for each step in
/// flight.
final class ValuesRing {
  /// How many steps may be in flight; the next one waits for the oldest.
  static let slots = 32

  /// For how many steps a slot has room, one after another.
  let rows: Int
  let buffer: Buffer<UInt8>
  private let host: UnsafeMutableRawBufferPointer
  private let size: Int
  private var users = [Event?](repeating: nil, count: slots)
  private var next = 0
  /// Until when the slots are kept for the driver at the end; nil for some seconds.
  var deadline: ContinuousClock.Instant?

  init(_ context: Context, bytesPerRow: Int, rows: Int) throws {
    self.rows = rows
    size = rows * bytesPerRow
    buffer = try Buffer(context, count: Self.slots * size)
    host = .allocate(byteCount: Self.slots * size, alignment: 16)
    host.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    // The driver may still be copying from the slots: those of commands that do not end stay.
    if users.compactMap({ $0 }).end(by: deadline ?? .behindFailure) { host.deallocate() }
  }

  /// The command that has to end before the next slot is taken.
  var blocking: Event? { users[next] }

  /// Takes the oldest slot, whose step is over, has `fill` write its first bytes, and sends those
  /// to the device.
  ///
  /// - Returns: the slot, and the transfer's event.
  func send(
    _ bytes: Int, on queue: CommandQueue, after events: [Event],
    _ fill: (UnsafeMutableRawBufferPointer) -> Void
  ) throws -> (slot: Int, event: Event) {
    let slot = next
    let memory = UnsafeMutableRawBufferPointer(rebasing: host[slot * size..<slot * size + bytes])
    fill(memory)
    let event = try buffer.enqueueWrite(
      UnsafeBufferPointer(memory.bindMemory(to: UInt8.self)), at: slot * size, on: queue,
      after: events)
    users[slot] = event
    next = (slot + 1) % Self.slots
    return (slot, event)
  }

  /// Keeps the slot until the event that reads it is complete.
  func use(_ slot: Int, until event: Event) { users[slot] = event }
}
#endif
