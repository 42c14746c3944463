#if OpenCL
internal import DescentKernels
import OpenCLHost

/// Where an optimizer's steps stand on a device that decides by itself, and what the host has heard
/// of it.
///
/// The host hears of each step by a copy of the control block that follows it in the queue; it
/// looks whether one has arrived, and waits only where it is asked to.
final class DeviceControl {
  let state: Buffer<descent_control>
  private let copies: UnsafeMutablePointer<descent_control>
  /// The copies under way, oldest first, each with its place.
  private var underWay: [(place: Int, event: Event)] = []
  private var next = 0
  /// What was last heard.
  private(set) var known: descent_control
  private var told = DecidedSteps()
  /// Until when the memory that copies are under way to is kept at the end; nil for some seconds.
  var deadline: ContinuousClock.Instant?

  /// - Parameter state: what an earlier control had, since others may look into it; nil for new
  ///   memory.
  init(
    _ queue: CommandQueue, lossScale: LossScale?, state: Buffer<descent_control>? = nil
  ) throws {
    known = descent_control(lossScale: lossScale)
    try state?.write([known], on: queue)
    self.state = try state ?? Buffer(queue.context, copying: [known])
    copies = .allocate(capacity: ValuesRing.slots)
    copies.initialize(repeating: known, count: ValuesRing.slots)
  }

  deinit {
    // The driver may write to what has not ended: that memory stays.
    if underWay.map(\.event).end(by: deadline ?? .behindFailure) { copies.deallocate() }
  }

  var stepsInFlight: Int { underWay.count }

  /// What has to end before another step: the oldest copy, where there is no place for another.
  var blocking: Event? { underWay.count < ValuesRing.slots ? nil : underWay.first?.event }

  /// Steps that were applied, as far as is known: the device counts in 32 bits and may wrap around.
  var confirmed: UInt32 { known.applied }

  /// Enqueues telling the host, after the step's last command.
  func tell(after events: [Event], on queue: CommandQueue) throws -> Event {
    let place = next
    let copy = try state.enqueueRead(
      into: UnsafeMutableBufferPointer(start: copies + place, count: 1), on: queue, after: events)
    underWay.append((place, copy))
    next = (next + 1) % ValuesRing.slots
    return copy
  }

  /// Reads the copies that have arrived; does not wait.
  func listen() throws {
    while let (place, event) = underWay.first, try event.isComplete {
      underWay.removeFirst()
      let heard = copies[place]
      told.applied += Int(heard.applied &- known.applied)
      told.skipped += Int(heard.skipped &- known.skipped)
      known = heard
    }
  }

  /// What was heard since the last call.
  func collect() -> DecidedSteps {
    defer { told = DecidedSteps() }
    return told
  }

  /// Sets the loss scale, once all copies have arrived.
  func setLossScale(_ scale: LossScale?, on queue: CommandQueue) throws {
    try listen()
    known.set(scale)
    try state.write([known], on: queue)
  }
}
#endif
