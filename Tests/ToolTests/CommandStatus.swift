@testable import descent_tool

/// The exit status of `descent` with these arguments, run in this process.
func status(_ arguments: String...) -> Int32 {
  do {
    var command = try DescentCommand.parseAsRoot(arguments)
    try command.run()
    return 0
  } catch {
    return DescentCommand.status(for: error)
  }
}
