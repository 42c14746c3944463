#if OpenCL
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The process in which OpenCL was first used. Drivers have threads of their own, which do not
/// exist in a child made by `fork`: a wait there never ends. A child is marked when it starts:
/// every call checks the mark, and querying the process ID would be a system call.
enum DriverProcess {
  private static let isChild = Atomic(false)
  private static let isMarked: Bool = {
    // The handler runs in the child, where nothing may be made for the first time.
    isChild.store(false, ordering: .relaxed)
    return pthread_atfork(nil, nil) { DriverProcess.isChild.store(true, ordering: .relaxed) } == 0
  }()

  /// Whether this is that process. The first call decides which one that is.
  static var isOwn: Bool { isMarked && !isChild.load(ordering: .relaxed) }

  /// Throws in a child made by `fork`.
  static func require() throws {
    if !isOwn { throw OpenCLUsageError.forked }
  }
}
#endif
