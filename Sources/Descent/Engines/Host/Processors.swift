internal import DescentKernels

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How many processors this process may use: its affinity, or a container's quota if that is less.
func usableProcessors() -> Int { Int(descent_processors()) }

/// What the environment variable `DESCENT_THREADS` says, nil where it is not set or empty. Throws
/// ``DescentError`` unless it is a whole number from 1 up.
func threadsAskedFor() throws(DescentError) -> Int? {
  try threads(in: getenv("DESCENT_THREADS").map { String(cString: $0) })
}

func threads(in text: String?) throws(DescentError) -> Int? {
  guard let text, !text.isEmpty else { return nil }
  guard let threads = Int(text), threads >= 1 else {
    throw .value(
      of: "DESCENT_THREADS", given: "\"\(text)\"", allowed: "a whole number from 1 up")
  }
  return threads
}
