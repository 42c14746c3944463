#if OpenCL
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The process in which OpenCL was first used. Drivers have threads of their own, which do not
/// exist in a child made by `fork`: a wait there never ends.
enum DriverProcess {
  private static let id = getpid()

  /// Whether this is that process. The first call decides which one that is.
  static var isOwn: Bool { getpid() == id }

  /// Throws in a child made by `fork`.
  static func require() throws {
    if !isOwn { throw OpenCLUsageError.forked }
  }
}
#endif
