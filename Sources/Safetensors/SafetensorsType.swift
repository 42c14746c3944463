/// The type of a tensor's elements; the raw value is its name in files.
public enum SafetensorsType: String, CaseIterable, Hashable, Sendable {
  /// A byte, 0 or 1.
  case bool = "BOOL"
  /// `UInt8`.
  case uint8 = "U8"
  /// `Int8`.
  case int8 = "I8"
  /// 8 bits: 4 of exponent, 3 of mantissa.
  case float8E4M3 = "F8_E4M3"
  /// 8 bits: 5 of exponent, 2 of mantissa.
  case float8E5M2 = "F8_E5M2"
  /// 8 bits of exponent: a power of two.
  case float8E8M0 = "F8_E8M0"
  /// As ``float8E4M3``, without infinities and negative zero.
  case float8E4M3FNUZ = "F8_E4M3FNUZ"
  /// As ``float8E5M2``, without infinities and negative zero.
  case float8E5M2FNUZ = "F8_E5M2FNUZ"
  /// `UInt16`.
  case uint16 = "U16"
  /// `Int16`.
  case int16 = "I16"
  /// IEEE's half, 5 bits of exponent.
  case float16 = "F16"
  /// The upper half of a `Float`.
  case bfloat16 = "BF16"
  /// `UInt32`.
  case uint32 = "U32"
  /// `Int32`.
  case int32 = "I32"
  /// `Float`.
  case float32 = "F32"
  /// `UInt64`.
  case uint64 = "U64"
  /// `Int64`.
  case int64 = "I64"
  /// `Double`.
  case float64 = "F64"
  /// Two `Float`s.
  case complex64 = "C64"

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .bool, .uint8, .int8, .float8E4M3, .float8E5M2, .float8E8M0, .float8E4M3FNUZ,
      .float8E5M2FNUZ:
      1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .complex64: 8
    }
  }

  /// The types that ``SafetensorsFile`` can read as `Float`.
  public static let readableAsFloat: [SafetensorsType] = [.float32, .float16, .bfloat16, .float64]
}

/// A tensor in a file: its name, its type and its shape. Elements are in row-major order.
public struct SafetensorsTensor: Hashable, Sendable {
  /// The name, which is not empty.
  public let name: String
  /// The type of the elements.
  public let type: SafetensorsType
  /// The sizes of the dimensions, each 0 or more, at most ``maximumRank`` of them; empty for a
  /// scalar.
  public let shape: [Int]
  /// The number of elements: 1 for an empty shape, 0 if one of the sizes is 0.
  public let count: Int
  /// The size of all elements in bytes.
  public var byteCount: Int { count * type.size }

  /// The maximum number of sizes in a shape, as in NumPy and PyTorch.
  public static let maximumRank = 64

  /// Throws ``SafetensorsError/declaration(name:reason:)`` for an empty name, `__metadata__` or
  /// more than 30 combining marks in a row, a negative size, more than ``maximumRank`` sizes, or
  /// more bytes than an `Int` can count.
  public init(
    _ name: String, type: SafetensorsType = .float32, shape: [Int]
  ) throws(SafetensorsError) {
    func refusal(_ reason: String) -> SafetensorsError { .declaration(name: name, reason: reason) }
    if name.isEmpty || name == "__metadata__" {
      throw refusal("a tensor cannot have this name")
    }
    if !name.isStreamSafe { throw refusal(String.tooManyMarks) }
    if shape.count > Self.maximumRank {
      throw refusal("\(shape.count) sizes in its shape; allowed is up to \(Self.maximumRank)")
    }
    if let size = shape.first(where: { $0 < 0 }) {
      throw refusal("a size of \(size) in its shape; allowed is 0 or more")
    }
    var (count, overflow) = (1, false)
    for size in shape where !overflow {
      (count, overflow) = count.multipliedReportingOverflow(by: size)
    }
    if shape.contains(0) { (count, overflow) = (0, false) }
    if overflow || count.multipliedReportingOverflow(by: type.size).overflow {
      throw refusal("the shape \(shape) has more bytes than can be counted")
    }
    (self.name, self.type, self.shape, self.count) = (name, type, shape, count)
  }
}
