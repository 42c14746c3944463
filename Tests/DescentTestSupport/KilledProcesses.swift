import Foundation
import Testing
import Verification

/// Children that save one state after the other until they are killed at a random moment. To be
/// used in a process with one thread, as an exit test's, since children are forked.
package struct KilledProcesses {
  private let fork: @convention(c) () -> pid_t
  /// The state that a child saves; in memory that it shares.
  private let saving: UnsafeMutablePointer<Int>
  private let folder: String
  private let longest: UInt64
  private var kills = 0
  private var torn = 0

  /// How often to kill: as `DESCENT_KILLS` says, or enough for a run of all tests.
  package static var usual: Int {
    #if DEBUG
    let usual = 60
    #else
    let usual = 300
    #endif
    return ProcessInfo.processInfo.environment["DESCENT_KILLS"].flatMap { Int($0) } ?? usual
  }

  /// - Parameter save: timed, to choose when a child is killed: within three saves, so that some
  ///   children end and most are killed.
  package init(savingTo folder: String, _ save: () throws -> Void) throws {
    self.folder = folder
    // Swift hides fork.
    fork = unsafeBitCast(
      try #require(dlsym(nil, "fork")), to: (@convention(c) () -> pid_t).self)
    saving = try #require(
      mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
    ).bindMemory(to: Int.self, capacity: 1)
    longest = UInt64(3 * (try ContinuousClock().measure(save) / Duration.microseconds(1))) + 1
  }

  /// Has a child call `save` with each state from the one after `state` on, and kills it. What is
  /// there then, as `load` finds it, must be the state that was being saved or the one before it.
  package mutating func kill(
    from state: Int, _ save: (_ state: Int, _ begins: () -> Void) throws -> Void,
    load: () throws -> Int
  ) throws -> Int {
    saving.pointee = state
    let child = fork()
    if child == 0 {
      for next in (state + 1)... {
        do { try save(next) { saving.pointee = next } } catch { _exit(1) }
      }
    }
    try #require(child > 0)
    usleep(UInt32(PinnedSteps.mix(UInt64(kills)) % longest))
    Foundation.kill(child, SIGKILL)
    var status: Int32 = 0
    waitpid(child, &status, 0)
    try #require(status & 0x7f == SIGKILL, "the child failed by itself")
    kills += 1
    torn += try folderContents(folder).contains { $0.contains(".tmp-") } ? 1 : 0
    let found = try load()
    try #require(
      found == saving.pointee || found == saving.pointee - 1,
      "\(found) is there, \(saving.pointee) was being saved")
    return found
  }

  /// Prints what happened, and throws if no state was saved or no write was cut.
  package func report(last state: Int) throws {
    print("\(kills) kills, \(torn) amidst a write, \(state) states saved")
    try #require(state > 0 && torn > 0)
  }
}
