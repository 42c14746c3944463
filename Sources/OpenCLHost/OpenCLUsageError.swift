#if OpenCL
/// A caller's mistake, found before the call reaches the driver and before anything is changed.
public enum OpenCLUsageError: Error, Sendable, Equatable {
  /// A count, an offset or a work size below zero.
  case negative(what: String, value: Int)

  /// `count` elements of `stride` bytes are more bytes than an `Int` can hold.
  case sizeOverflow(count: Int, stride: Int)

  /// A buffer of `bytes` in a context whose limit was lowered to `limit`.
  case allocationTooLarge(bytes: Int, limit: Int)

  /// A limit for buffers below one byte.
  case allocationLimit(Int)

  /// Elements `offset ..< offset + count` of a buffer that has `available` elements.
  case rangeOutsideBuffer(offset: Int, count: Int, available: Int)

  /// Two objects that have to belong to one context do not, as in `queue` and `buffer`.
  case otherContext(what: String, than: String)

  /// A device that a context or a queue does not have, and those that it has.
  case otherDevice(given: String, allowed: [String])

  /// A context of several devices, when none of them is named.
  case severalDevices([String])

  /// A `cl_mem` that is not a buffer, with the number of its type in OpenCL's header.
  case notABuffer(type: UInt32)

  /// An on-device queue, into which only kernels can enqueue commands.
  case queueOnDevice

  /// A sub-buffer that begins `offset` bytes into its memory, where the device requires a multiple
  /// of `alignment`. A slice may begin anywhere.
  case misaligned(offset: Int, alignment: Int)

  /// A call in a child made by `fork` after the parent had used OpenCL: drivers do not work there.
  case forked

  /// An argument index that the kernel does not have.
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
    case .otherDevice(let given, let allowed):
      "the device is \(given); allowed is \(allowed.joined(separator: ", "))"
    case .severalDevices(let names):
      "the context has \(names.count) devices, so say which one: \(names.joined(separator: ", "))"
    case .notABuffer(let type):
      "the cl_mem is of type 0x\(String(type, radix: 16)); allowed is a buffer, 0x10f0"
    case .queueOnDevice:
      "the cl_command_queue is a queue on the device; allowed is a queue of the host's"
    case .misaligned(let offset, let alignment):
      "a buffer that begins \(offset) bytes into its memory; allowed is a multiple of \(alignment), "
        + "or a slice of the whole"
    case .forked:
      "OpenCL was used before this process was forked, and its drivers do not survive a fork; "
        + "allowed is a process that is spawned, or one that forks before it uses OpenCL"
    case .noSuchArgument(let index, let kernel, let argumentCount):
      "kernel \(kernel) has no argument \(index): it has \(argumentCount), counted from 0"
    }
  }
}

/// Throws if a count, an offset or a size is below zero.
func requireNotNegative(_ value: Int, _ what: @autoclosure () -> String) throws {
  guard value >= 0 else { throw OpenCLUsageError.negative(what: what(), value: value) }
}
#endif
