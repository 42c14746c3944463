import Foundation

/// A line on standard error that says how far the work has come.
///
/// It is drawn only if standard error is a terminal, at most ten times a second and not in the
/// first tenth, so short work shows nothing. Nothing is drawn between calls of ``update(_:at:)``.
/// Call ``erase()`` at the end, and before other text is written to the terminal.
struct ProgressBar {
  private let label: String
  private let total: Int
  private let isTerminal: Bool
  private let write: (String) -> Void
  private let start: ContinuousClock.Instant
  private var lastDrawn: ContinuousClock.Instant
  private var isVisible = false

  /// - Parameter write: receives the control codes and text; a test may record them here.
  init(
    _ label: String, total: Int, isTerminal: Bool = Console.isTerminal(STDERR_FILENO),
    at now: ContinuousClock.Instant = .now,
    write: @escaping (String) -> Void = Console.writeToStandardError
  ) {
    self.label = label
    self.total = total
    self.isTerminal = isTerminal
    self.write = write
    start = now
    lastDrawn = now
  }

  /// Says that `done` of the total is done.
  mutating func update(_ done: Int, at now: ContinuousClock.Instant = .now) {
    guard isTerminal, now - lastDrawn >= .milliseconds(100) else { return }
    lastDrawn = now
    isVisible = true
    // One column stays free: a cursor past the last one wraps on some terminals.
    let text = line(done: done, elapsed: now - start).prefix(Self.terminalWidth() - 1)
    write("\r" + text + Self.eraseToEndOfLine)
  }

  /// Removes the line; a later update draws it anew.
  mutating func erase() {
    guard isVisible else { return }
    isVisible = false
    write("\r" + Self.eraseToEndOfLine)
  }

  /// The line without control codes: label, bar, count, time so far, time to go.
  func line(done: Int, elapsed: Duration) -> String {
    let share = total > 0 ? min(max(Double(done) / Double(total), 0), 1) : 0
    let filled = Int(share * 20)
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 20 - filled)
    var line = "\(label) [\(bar)] \(done)/\(total) \(Self.clock(elapsed))"
    if share > 0 && share < 1 {
      line += ", \(Self.clock(elapsed * ((1 - share) / share))) to go"
    }
    return line
  }

  private static let eraseToEndOfLine = "\u{1B}[K"

  /// Minutes and seconds, with hours where there are any: 0:07, 12:30, 1:00:05.
  private static func clock(_ duration: Duration) -> String {
    let seconds = Int((duration / .seconds(1)).rounded())
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let minutes = seconds / 60
    return minutes < 60
      ? "\(minutes):\(two(seconds % 60))"
      : "\(minutes / 60):\(two(minutes % 60)):\(two(seconds % 60))"
  }

  private static func terminalWidth() -> Int {
    var size = winsize()
    let status = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size)
    return status == 0 && size.ws_col > 1 ? Int(size.ws_col) : 80
  }
}
