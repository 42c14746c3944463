import Foundation

/// Counts heap allocations of all threads, by the library that Benchmarks/allocations preloads.
struct AllocationCounter {
  private let begin: @convention(c) (Bool) -> Void
  private let end: @convention(c) () -> Int

  /// Throws ``MemoryError`` where the library is not preloaded, or does not see an allocation.
  init() throws {
    // What every library of the process exports.
    guard let begin = dlsym(nil, "descent_allocations_begin"),
      let end = dlsym(nil, "descent_allocations_end")
    else { throw MemoryError.noCounter }
    self.begin = unsafeBitCast(begin, to: (@convention(c) (Bool) -> Void).self)
    self.end = unsafeBitCast(end, to: (@convention(c) () -> Int).self)
    // What counts nothing would find nothing.
    let probe = count {
      UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64).deallocate()
    }
    if probe != 1 { throw MemoryError.noCounter }
  }

  /// How many allocations `body` makes. With `showing`, writes the origin of the first to standard
  /// error.
  func count(showing: Bool = false, _ body: () throws -> Void) rethrows -> Int {
    begin(showing)
    do {
      try body()
    } catch {
      _ = end()
      throw error
    }
    return end()
  }
}

/// Why a step's memory cannot be measured.
enum MemoryError: Error, Equatable, CustomStringConvertible {
  /// Nothing counts allocations.
  case noCounter
  /// An optimizer did not run as requested.
  case otherwise(String)
  /// The system does not say how much memory the process has.
  case unknown(String)

  var description: String {
    switch self {
    case .noCounter:
      "allocations are counted under Benchmarks/allocations/check.sh only: it preloads what counts"
    case .otherwise(let what): what
    case .unknown(let what): "/proc/self/status has no \(what)"
    }
  }
}
