internal import DescentKernels

/// Runs `body` with round to nearest, denormals kept and no traps, and restores the caller's
/// settings: a library built with `-ffast-math` may have changed them for the whole process.
// Not optimized, or arithmetic could move out of the body, past a call that it does not depend on.
@inline(never) @_optimize(none)
func withDefaultFloatingPoint<Result>(_ body: () throws -> Result) rethrows -> Result {
  let before = descent_environment_default()
  defer { descent_environment_restore(before) }
  return try body()
}
