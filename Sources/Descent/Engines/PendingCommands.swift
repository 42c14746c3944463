#if OpenCL
import OpenCLHost

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// An optimizer's commands whose outcome is not known yet, oldest first.
///
/// Every command is asked by itself: on Intel's runtimes the last command of a chain may run
/// although one before it failed, and in a queue in order nothing else carries a failure from one
/// command to the next.
struct PendingCommands {
  private var events: [Event] = []
  /// What the next command waits for.
  private(set) var last: [Event] = []

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

  /// Forgets the commands that have ended, and throws for the first of them that failed.
  mutating func poll() throws {
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
        throw error
      }
    }
  }

  /// Waits for all commands, and throws for the first that failed.
  mutating func wait() throws {
    defer { (events, last) = ([], []) }
    for (index, event) in events.enumerated() {
      do {
        try event.wait()
      } catch {
        for later in events[(index + 1)...] { later.waitBehindFailure() }
        throw error
      }
    }
  }
}

extension Event {
  /// Waits for a command behind one that failed. PoCL 3.1 may never end it, so the wait has an end.
  func waitBehindFailure() {
    let start = ContinuousClock.now
    while (try? isComplete) == false, start.duration(to: .now) < .seconds(10) { usleep(100) }
  }
}
#endif
