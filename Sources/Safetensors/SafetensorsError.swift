#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// An error of reading or writing a safetensors file. Descriptions truncate texts that come from a
/// file and escape their control characters.
public enum SafetensorsError: Error, Equatable, Sendable {
  /// A place in a file.
  public enum Place: Hashable, Sendable {
    /// A byte offset from the beginning of the file.
    case byte(Int)
    /// A tensor, by its name.
    case tensor(String)
    /// An entry of the metadata.
    case metadata(String)
    /// The entries of an index, by the tensor's name.
    case index(String)
  }

  /// The file does not conform to the format.
  case malformed(file: String, at: Place, found: String, allowed: String)
  /// The bytes differ from those that were written.
  case checksum(file: String, of: Place, found: UInt32, written: UInt32)
  /// A system call failed; `code` is its `errno`.
  case system(call: String, path: String, code: Int32)
  /// The memory for the result cannot be allocated.
  case memory(bytes: Int)
  /// The file has no tensor of this name.
  case unknownTensor(file: String, name: String)
  /// The tensor has another type than the call can read or write.
  case type(tensor: String, found: SafetensorsType, allowed: [SafetensorsType])
  /// The given memory or bytes have another length than the tensor.
  case count(tensor: String, given: Int, expected: Int)
  /// A tensor or a metadata entry that cannot be written.
  case declaration(name: String, reason: String)
  /// A call at the wrong time, or a path that cannot be read or written.
  case misuse(String)
}

extension SafetensorsError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .malformed(let file, let place, let found, let allowed):
      "\(file): \(place): \(found); allowed is \(allowed)"
    case .checksum(let file, let place, let found, let written):
      "\(file): \(place): the checksum is \(CRC32.text(found)), "
        + "but \(CRC32.text(written)) was written; the file was altered"
    case .system(let call, let path, let code):
      "\(path): \(call): \(String(cString: strerror(code)))"
    case .memory(let bytes):
      "there is no memory for \(bytes) bytes"
    case .unknownTensor(let file, let name):
      "\(file): there is no tensor \(excerpt(name))"
    case .type(let tensor, let found, let allowed):
      "tensor \(excerpt(tensor)) is of type \(found.rawValue); allowed is "
        + allowed.map(\.rawValue).joined(separator: ", ")
    case .count(let tensor, let given, let expected):
      "tensor \(excerpt(tensor)): \(given) given, \(expected) expected"
    case .declaration(let name, let reason):
      "\(excerpt(name)): \(reason)"
    case .misuse(let what):
      what
    }
  }
}

extension SafetensorsError.Place: CustomStringConvertible {
  public var description: String {
    switch self {
    case .byte(let offset): "byte \(offset)"
    case .tensor(let name): "tensor \(excerpt(name))"
    case .metadata(let key): "metadata \(excerpt(key))"
    case .index(let name): "entry \(excerpt(name))"
    }
  }
}

/// The text in quotes, truncated to 60 scalars, with control characters escaped.
package func excerpt(_ text: String) -> String {
  let scalars = text.unicodeScalars
  guard let cut = scalars.index(scalars.startIndex, offsetBy: 60, limitedBy: scalars.endIndex),
    cut < scalars.endIndex
  else { return text.debugDescription }
  return String(scalars[..<cut]).debugDescription + "…"
}
