#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Vectors in host memory, aligned to a page.
final class HostVectors {
  /// The first element of each.
  let arrays: [ElementPointer]

  /// What a vector has.
  struct Kind {
    var type = ElementType.float32
    /// The value of every element at first.
    var start = 0.0
    /// Elements.
    var count: Int
  }

  /// A vector of each kind.
  ///
  /// - Throws: ``DescentError/memory(bytes:)`` if the machine does not have that much.
  init(_ kinds: [Kind]) throws {
    var arrays: [ElementPointer] = []
    do {
      for kind in kinds {
        let array = ElementPointer(
          try Self.allocate(bytes: kind.count * kind.type.size), kind.type)
        array.fill(with: kind.start, count: kind.count)
        arrays.append(array)
      }
    } catch {
      for array in arrays { free(array.address) }
      throw error
    }
    self.arrays = arrays
  }

  /// The size of a huge page: fewer TLB misses in a pass over a long vector.
  private static let hugePage = 1 << 21

  // Not Swift's allocate, which ends the program where there is no memory.
  private static func allocate(bytes count: Int) throws -> UnsafeMutableRawPointer {
    let bytes = max(1, count)
    var memory: UnsafeMutableRawPointer?
    let isLarge = bytes >= hugePage
    guard posix_memalign(&memory, isLarge ? hugePage : 4096, bytes) == 0, let memory else {
      throw DescentError.memory(bytes: bytes)
    }
    #if os(Linux)
    // Only advice: where the system has no huge pages to give, all is as before.
    if isLarge { madvise(memory, bytes / hugePage * hugePage, MADV_HUGEPAGE) }
    #endif
    return memory
  }

  deinit {
    for array in arrays { free(array.address) }
  }
}
