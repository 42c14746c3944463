#if OpenCL
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The process in which OpenCL was first used. Drivers have threads of their own, which do not
/// exist in a child made by `fork`, so a wait there never ends. A handler marks the child when it
/// starts, and every call checks the mark: querying the process ID would be a system call.
enum DriverProcess {
  private static let isChild = Atomic(false)
  private static let isMarked: Bool = {
    // Initializes the variable here: the handler runs in the child, where lazy initialization is
    // not allowed.
    isChild.store(false, ordering: .relaxed)
    return pthread_atfork(nil, nil) { DriverProcess.isChild.store(true, ordering: .relaxed) } == 0
  }()

  /// Whether this is that process. The first call decides which process it is.
  static var isOwn: Bool { isMarked && !isChild.load(ordering: .relaxed) }

  /// Throws in a child made by `fork`.
  static func require() throws {
    if !isOwn { throw OpenCLUsageError.forked }
  }
}
#endif
