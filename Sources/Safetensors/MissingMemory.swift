#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The size of `count` elements in bytes if the system cannot allocate them; nil if it can. A
/// failed array allocation ends the program, so this is called before a long array is allocated.
package func missingMemory(_ count: Int, _ stride: Int) -> Int? {
  let (bytes, overflow) = count.multipliedReportingOverflow(by: stride)
  if overflow || bytes > Int.max - 4096 { return .max }
  let size = bytes + 4096
  // Not malloc: the compiler removes a call whose memory is not used.
  let probe = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  guard let probe, probe != MAP_FAILED else { return bytes }
  munmap(probe, size)
  return nil
}
