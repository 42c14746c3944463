#if OpenCL
/// A caller's mistake, found before the driver was asked and before anything was touched.
public enum OpenCLUsageError: Error, Sendable, Equatable {
  /// A count, an offset or a work size below zero.
  case negative(what: String, value: Int)

  /// `count` elements of `stride` bytes are more bytes than an `Int` can say.
  case sizeOverflow(count: Int, stride: Int)

  /// A buffer of `bytes` in a context whose limit was lowered to `limit`.
  case allocationTooLarge(bytes: Int, limit: Int)

  /// A limit for buffers that no buffer can meet.
  case allocationLimit(Int)

  /// Elements `offset ..< offset + count` of a buffer that has `available` elements.
  case rangeOutsideBuffer(offset: Int, count: Int, available: Int)

  /// Two objects that have to belong to one context do not, as in `queue` and `buffer`.
  case otherContext(what: String, than: String)

  /// An argument's index that the kernel does not have.
  case noSuchArgument(index: Int, kernel: String, argumentCount: Int)
}

extension OpenCLUsageError: CustomStringConvertible {
  /// What was given and what is allowed.
  public var description: String {
    switch self {
    case .negative(let what, let value):
      "\(what) is \(value), but cannot be negative"
    case .sizeOverflow(let count, let stride):
      "\(count) elements of \(stride) bytes are more than \(Int.max) bytes"
    case .allocationTooLarge(let bytes, let limit):
      "a buffer of \(bytes) bytes is more than the context's limit of \(limit)"
    case .allocationLimit(let bytes):
      "a context's largest allocation is \(bytes) bytes; allowed is 1 or more"
    case .rangeOutsideBuffer(let offset, let count, let available):
      "\(count) elements from \(offset) are not within a buffer of \(available)"
    case .otherContext(let what, let than):
      "the \(what) belongs to another context than the \(than)"
    case .noSuchArgument(let index, let kernel, let argumentCount):
      "kernel \(kernel) has no argument \(index): it has \(argumentCount), counted from 0"
    }
  }
}

/// Throws where a count, an offset or a size is below zero.
func requireNotNegative(_ value: Int, _ what: @autoclosure () -> String) throws {
  guard value >= 0 else { throw OpenCLUsageError.negative(what: what(), value: value) }
}
#endif
