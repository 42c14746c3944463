import Testing

@testable import descent_tool

/// What a progress bar wrote.
private final class Screen {
  var writes: [String] = []
}

@Suite struct ProgressBarTests {
  private let start = ContinuousClock.now

  private func bar(_ screen: Screen, isTerminal: Bool = true) -> ProgressBar {
    ProgressBar("adam", total: 200, isTerminal: isTerminal, at: start) { screen.writes.append($0) }
  }

  @Test func itIsDrawnTenTimesASecondAndErased() {
    let screen = Screen()
    var bar = bar(screen)
    for step in 0...100 { bar.update(step, at: start + .milliseconds(step * 10)) }
    #expect(screen.writes.count == 10)
    #expect(
      screen.writes.last == "\radam [##########..........] 100/200 0:01, 0:01 to go\u{1B}[K")
    bar.erase()
    bar.erase()
    #expect(screen.writes.count == 11)
    #expect(screen.writes.last == "\r\u{1B}[K")
  }

  @Test func withoutATerminalNothingIsWritten() {
    let screen = Screen()
    var bar = bar(screen, isTerminal: false)
    bar.update(100, at: start + .seconds(5))
    bar.erase()
    #expect(screen.writes.isEmpty)
  }

  @Test(arguments: [
    (0, 9.0, "[....................] 0/200 0:09"),
    (50, 60, "[#####...............] 50/200 1:00, 3:00 to go"),
    (1, 60, "[....................] 1/200 1:00, 3:19:00 to go"),
    (200, 3605, "[####################] 200/200 1:00:05"),
    (300, 1, "[####################] 300/200 0:01"),
  ])
  func timesAndShare(done: Int, seconds: Double, line: String) {
    #expect(bar(Screen()).line(done: done, elapsed: .seconds(seconds)) == "adam " + line)
  }

  @Test func nothingToDoIsNoDivisionByZero() {
    let bar = ProgressBar("x", total: 0, isTerminal: true)
    #expect(bar.line(done: 0, elapsed: .zero) == "x [....................] 0/0 0:00")
  }
}
