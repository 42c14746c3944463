#if OpenCL
import OpenCLHost

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// An optimizer's commands whose outcome is not known yet, oldest first.
///
/// Every command's status is queried: on Intel's runtimes the last command of a chain may run
/// although one before it failed, and an in-order queue does not propagate a failure from one
/// command to the next by any other means.
///
/// On PoCL 3.1 a command behind a failed one may never end. All waits behind a failure have one
/// deadline; what has not ended by then stays, and so does the failure.
struct PendingCommands {
  private var events: [Event] = []
  /// What the next command waits for.
  private(set) var last: [Event] = []
  /// The first failure, as long as commands behind it have not ended.
  private var failure: (error: any Error, deadline: ContinuousClock.Instant)?

  /// Until when memory that commands use is kept for them.
  var deadline: ContinuousClock.Instant { failure?.deadline ?? .behindFailure }

  /// Whether commands behind a failure did not end by the deadline.
  var isStuck: Bool { failure.map { $0.deadline <= .now } ?? false }

  /// Adds a command that waits for `last`.
  mutating func append(_ event: Event) {
    events.append(event)
    last = [event]
  }

  /// Adds commands that do not wait for `last`.
  mutating func append(independent added: [Event]) {
    events += added
    last += added
  }

  /// Adds a command that the next one waits for by other means.
  mutating func append(awaited event: Event) { events.append(event) }

  /// Forgets the commands that have ended, and throws for the first of them that failed. After a
  /// failure it throws until all commands have ended.
  mutating func poll() throws {
    if let failure {
      events.removeAll { $0.ends(by: .now) }
      guard events.isEmpty else { throw failure.error }
      (self.failure, last) = (nil, [])
      return
    }
    var ended = 0
    defer {
      events.removeFirst(ended)
      if events.isEmpty { last = [] }
    }
    while ended < events.count {
      do {
        guard try events[ended].isComplete else { return }
        ended += 1
      } catch {
        ended += 1
        if ended < events.count { failure = (error, .behindFailure) }
        throw error
      }
    }
  }

  /// Waits for all commands, and throws for the first that failed.
  mutating func wait() throws { try wait(through: events.count) }

  /// Waits for the commands up to this one, if it has not ended, and throws for the first that
  /// failed.
  mutating func wait(through event: Event) throws {
    if let index = events.firstIndex(where: { $0 === event }) { try wait(through: index + 1) }
  }

  private mutating func wait(through count: Int) throws {
    var known = failure
    if known == nil {
      for (index, event) in events[..<count].enumerated() {
        do {
          try event.wait()
        } catch {
          events.removeFirst(index + 1)
          known = (error, .behindFailure)
          break
        }
      }
    }
    guard let known else {
      events.removeFirst(count)
      if events.isEmpty { last = [] }
      return
    }
    failure = known
    events.removeAll { $0.ends(by: known.deadline) }
    if events.isEmpty { (failure, last) = (nil, []) }
    throw known.error
  }
}

extension ContinuousClock.Instant {
  /// The deadline of waits for commands that may never end, if they begin now.
  static var behindFailure: Self { .now + .seconds(10) }
}

extension Event {
  /// Waits until the command has ended, with or without a failure, or until the deadline.
  ///
  /// - Returns: whether it has ended.
  func ends(by deadline: ContinuousClock.Instant) -> Bool {
    while (try? isComplete) == false {
      guard ContinuousClock.now < deadline else { return false }
      usleep(100)
    }
    return true
  }
}

extension Sequence<Event> {
  /// The same for all of them, by one deadline.
  func end(by deadline: ContinuousClock.Instant) -> Bool {
    allSatisfy { $0.ends(by: deadline) }
  }
}
#endif
