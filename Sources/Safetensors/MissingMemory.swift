#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How many bytes so many elements need, where the system has no memory for them; nil where it has.
/// An array that gets none ends the program, so this is asked before a long one is made.
package func missingMemory(_ count: Int, _ stride: Int) -> Int? {
  let (bytes, overflow) = count.multipliedReportingOverflow(by: stride)
  if overflow || bytes > Int.max - 4096 { return .max }
  let size = bytes + 4096
  // Not malloc: the compiler removes one whose memory is not used.
  let probe = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  guard let probe, probe != MAP_FAILED else { return bytes }
  munmap(probe, size)
  return nil
}
