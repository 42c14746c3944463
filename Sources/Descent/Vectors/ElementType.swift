internal import DescentKernels

/// What the elements of a vector in memory are. Rules compute in Float whatever they are.
enum ElementType: Hashable, Sendable, CaseIterable {
  case float32, float16, bfloat16
  /// What a Float is more than the bfloat16 beside it: ``Storage``.
  case remainder

  /// Bytes.
  var size: Int { self == .float32 ? 4 : 2 }

  /// The value that kernels use.
  var code: Int32 {
    switch self {
    case .float32: DESCENT_FLOAT32
    case .float16: DESCENT_FLOAT16
    case .bfloat16: DESCENT_BFLOAT16
    case .remainder: DESCENT_REMAINDER
    }
  }

  /// As users write it.
  var name: String {
    switch self {
    case .float32: "Float"
    case .float16: "Float16"
    case .bfloat16: "BFloat16"
    case .remainder: "Int16"
    }
  }

  /// Throws ``DescentError/value(of:given:allowed:)`` for another type than the given one.
  func check(_ what: String, is type: ElementType) throws(DescentError) {
    guard self == type else {
      throw .value(of: "the element type of \(what)", given: name, allowed: type.name)
    }
  }

  /// The bits of a number that the type rounds to.
  func withBits<Result>(
    of value: Double, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    switch self {
    case .float32: try withUnsafeBytes(of: Float(value), body)
    case .float16: try withUnsafeBytes(of: Float16(value), body)
    case .bfloat16: try withUnsafeBytes(of: BFloat16(value), body)
    case .remainder: try withUnsafeBytes(of: Int16(clamping: Int(value)), body)
    }
  }
}
