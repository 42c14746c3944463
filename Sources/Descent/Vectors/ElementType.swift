/// What the elements of a vector in memory are. Rules compute in Float whatever they are.
enum ElementType: Hashable, Sendable {
  case float32

  /// Bytes.
  var size: Int {
    switch self {
    case .float32: MemoryLayout<Float>.size
    }
  }

  /// The bits of a number that the type rounds to.
  func withBits<Result>(
    of value: Double, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    switch self {
    case .float32: try withUnsafeBytes(of: Float(value), body)
    }
  }
}
