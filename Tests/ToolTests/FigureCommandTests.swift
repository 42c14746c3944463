import Testing

@testable import descent_tool

@Suite struct FigureCommandTests {
  @Test("figures are asked for by name, and go where they can be written")
  func command() {
    func complaint(_ arguments: String...) -> (String, Int32) {
      do {
        var command = try DescentCommand.parseAsRoot(["figure"] + arguments)
        try command.run()
        return ("", 0)
      } catch {
        return (DescentCommand.message(for: error), DescentCommand.status(for: error))
      }
    }
    let unknown = complaint("waves", "--output-folder", "/tmp")
    #expect(unknown.0.hasPrefix("there is no figure \"waves\"; there is convex-or-not, saddle"))
    #expect(unknown.1 == 2)
    let folder = complaint("saddle", "--output-folder", "/dev/null/figures")
    #expect(folder.0.hasPrefix("cannot write /dev/null/figures: ") && folder.1 == 1)
    #expect(complaint("saddle", "--output-folder", "/tmp", "--device", "cpu,reference").1 == 2)
  }
}
