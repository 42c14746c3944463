#if OpenCL
internal import DescentKernels
import OpenCLHost

/// The control block of a device that decides about its steps, and the last state of it that the
/// host has read.
///
/// The host polls a copy of the control block that is enqueued after each step, and waits only if
/// requested.
final class DeviceControl {
  let state: Buffer<descent_control>
  private let copies: UnsafeMutablePointer<descent_control>
  /// The copies in flight, oldest first, each with its place.
  private var underWay: [(place: Int, event: Event)] = []
  private var next = 0
  /// The last copy that was read.
  private(set) var known: descent_control
  private var told = DecidedSteps()
  /// The deadline until which `deinit` waits for copies in flight to the memory; nil for some
  /// seconds.
  var deadline: ContinuousClock.Instant?

  /// - Parameter state: the memory of an earlier control, since others may read it; nil for new
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

  /// Enqueues a copy of the control block to the host, after the step's last command.
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

  /// The steps that were read since the last call.
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
