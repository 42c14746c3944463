#if OpenCL
internal import CDescentOpenCL

/// Owns one reference to an OpenCL object and releases it on deinit.
///
/// Unchecked, because a pointer is not `Sendable`. The invariant: `raw` never changes, drivers
/// count references atomically, and all calls on an object may come from any thread, except
/// `clSetKernelArg` on one kernel (OpenCL 1.2, appendix A.2). Only `Kernel` calls that, and it is
/// not `Sendable`.
struct Handle: ~Copyable, @unchecked Sendable {
  /// The type of `clRetain…` and `clRelease…`.
  typealias Release = @convention(c) (OpaquePointer?) -> cl_int

  let raw: OpaquePointer
  private let release: Release

  /// Takes over the object that a `clCreate…` call returned, or throws its status.
  init(
    _ created: OpaquePointer?, _ status: cl_int, _ release: Release,
    _ call: @autoclosure () -> String
  ) throws {
    try check(status, call())
    guard let created else {
      throw OpenCLError(status: status, call: call(), log: "the driver returned no object")
    }
    self.init(owning: created, release)
  }

  /// Takes over a reference that the caller owns.
  init(owning raw: OpaquePointer, _ release: Release) {
    self.raw = raw
    self.release = release
  }

  /// Retains an object that has other owners.
  init(
    retaining raw: OpaquePointer, _ retain: Release, _ release: Release,
    _ call: @autoclosure () -> String
  ) throws {
    try DriverProcess.require()
    try check(retain(raw), call())
    self.init(owning: raw, release)
  }

  // A deinit cannot throw, so the status is ignored. After a fork nothing is released: the driver
  // may hold a lock that is never unlocked.
  deinit { if DriverProcess.isOwn { _ = release(raw) } }
}

/// A platform or a root device: the driver owns these until the process ends.
///
/// Unchecked, because a pointer is not `Sendable`. The invariant: the pointer never changes and
/// is never released, and queries may come from any thread.
struct StaticHandle: @unchecked Sendable, Hashable {
  let raw: OpaquePointer
}

/// Throws an `OpenCLError` unless `status` is `CL_SUCCESS`; a call that succeeds builds no
/// string.
@inline(__always)
func check(_ status: cl_int, _ call: @autoclosure () -> String) throws {
  if status != CL_SUCCESS { throw OpenCLError(status: status, call: call()) }
}
#endif
