#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Vectors in host memory, aligned to a page.
final class HostVectors {
  let arrays: [UnsafeMutablePointer<Float>]

  /// A vector of `count` elements for each of the values, which it begins with.
  ///
  /// - Throws: ``DescentError/memory(bytes:)`` if the machine has not that much.
  convenience init(_ values: [Float], count: Int) throws {
    try self.init(values.map { ($0, count) })
  }

  /// A vector for each pair of a value, which it begins with, and a count.
  init(_ vectors: [(value: Float, count: Int)]) throws {
    var arrays: [UnsafeMutablePointer<Float>] = []
    do {
      for (value, count) in vectors {
        let array = try Self.allocate(count)
        array.initialize(repeating: value, count: count)
        arrays.append(array)
      }
    } catch {
      for array in arrays { free(array) }
      throw error
    }
    self.arrays = arrays
  }

  /// The size of a huge page: fewer TLB misses in a pass over a long vector.
  private static let hugePage = 1 << 21

  // Not Swift's allocate, which ends the program where there is no memory.
  private static func allocate(_ count: Int) throws -> UnsafeMutablePointer<Float> {
    let bytes = max(1, count) * MemoryLayout<Float>.stride
    var memory: UnsafeMutableRawPointer?
    let isLarge = bytes >= hugePage
    guard posix_memalign(&memory, isLarge ? hugePage : 4096, bytes) == 0, let memory else {
      throw DescentError.memory(bytes: bytes)
    }
    #if os(Linux)
    // Only advice: where the system has no huge pages to give, all is as before.
    if isLarge { madvise(memory, bytes / hugePage * hugePage, MADV_HUGEPAGE) }
    #endif
    return memory.bindMemory(to: Float.self, capacity: max(1, count))
  }

  deinit {
    for array in arrays { free(array) }
  }
}
