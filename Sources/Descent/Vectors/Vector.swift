#if OpenCL
import OpenCLHost
#endif

/// Elements in host memory that a call reads, as parameters, gradients or states.
///
/// Arrays, spans, unsafe buffers, arrays of unsafe buffers and models (``ParameterVisitable``) are
/// vectors. An array of buffers is the concatenation of its buffers; their boundaries need not be
/// those of tensors. A type that keeps its elements in one of these conforms by forwarding:
///
/// ```swift
/// struct Gradients: Vector {
///   var storage: [Float]
///
///   func withVectorMemory(
///     for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
///   ) throws {
///     try storage.withVectorMemory(for: use, body)
///   }
/// }
/// ```
public protocol Vector: ~Copyable, ~Escapable {
  /// Calls `body` once with the vector's memory, which is valid and readable until `body` returns.
  ///
  /// - Parameters:
  ///   - use: the call's layout and the vector's role in it.
  ///   - body: takes the memory, as pieces that follow one another.
  /// - Throws: what `body` throws; a model throws ``DescentError/layout(name:reason:)`` before that
  ///   if its tensors are not the layout's.
  borrowing func withVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws
}

/// A vector that a call may also write.
///
/// A vector that owns its elements is passed with `&`, as in `step(&parameters, …)`. One that
/// refers to memory is a ``MutableVectorView`` and may be passed by value.
public protocol MutableVector: Vector, ~Copyable, ~Escapable {
  /// Calls `body` once with the vector's memory, which is valid, readable and writable until `body`
  /// returns. Throws as ``Vector/withVectorMemory(for:_:)`` does.
  mutating func withMutableVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws
}

/// A mutable vector that refers to memory instead of owning it: a copy refers to the same elements.
///
/// Such vectors may be passed by value: `step(parameters.mutableSpan, …)`. Unsafe mutable buffers,
/// arrays of them and mutable spans are views. A class that is a model may be declared one:
/// `extension Network: MutableVectorView {}`.
public protocol MutableVectorView: MutableVector, ~Copyable, ~Escapable {}

/// The memory of a vector: one contiguous piece, or several that follow one another in the vector.
/// Only conformances of this package make values of this type.
public struct VectorMemory {
  let pieces: HostPieces

  /// The number of elements.
  public var count: Int { pieces.elementCount }

  /// The pieces of a vector that has to be of Floats. Throws
  /// ``DescentError/value(of:given:allowed:)`` if it is of another type.
  func floats(of what: String) throws(DescentError) -> HostPieces {
    try elements(of: what, as: .float32)
  }

  /// The same of another type.
  func elements(of what: String, as type: ElementType) throws(DescentError) -> HostPieces {
    try pieces.type.check(what, is: type)
    return pieces
  }
}

/// What a call needs a vector for: its role in the call and, in calls of an optimizer, the layout
/// that its elements follow.
public struct VectorUse {
  enum Role {
    case parameters, gradients, states, deltas, iterate
  }

  let role: Role
  private let optimizer: Optimizer?
  private let ownLayout: ParameterLayout?

  init(_ role: Role, in optimizer: Optimizer) {
    (self.role, self.optimizer, ownLayout) = (role, optimizer, nil)
  }

  init(_ role: Role, in layout: ParameterLayout? = nil) {
    (self.role, optimizer, ownLayout) = (role, nil, layout)
  }

  /// The layout that the elements follow; nil where the call has none.
  var layout: ParameterLayout? { optimizer?.layout ?? ownLayout }

  /// For error messages.
  var name: String {
    switch role {
    case .parameters: "parameters"
    case .gradients: "gradients"
    case .states: "states"
    case .deltas: "deltas"
    case .iterate: "iterate"
    }
  }

  /// Tensors that a model may leave empty, by name.
  var mayBeMissing: Set<String> { role == .gradients ? optimizer?.leftOut ?? [] : [] }
}

// MARK: Elements

/// An element type of vectors: `Float`, or for gradients also `Float16` and ``BFloat16``. Rules
/// compute in `Float`.
public protocol VectorElement: MutableVectorPart, BitwiseCopyable {
  /// What the elements are in memory.
  static var vectorElementType: VectorElementType { get }
}

/// What elements are in memory. Only this package makes values of this type.
public struct VectorElementType: Sendable {
  let type: ElementType
}

extension Float: VectorElement {
  /// IEEE 754 binary32.
  public static var vectorElementType: VectorElementType { VectorElementType(type: .float32) }
}

extension Float16: VectorElement {
  /// IEEE 754 binary16.
  public static var vectorElementType: VectorElementType { VectorElementType(type: .float16) }
}

extension BFloat16: VectorElement {
  /// The upper half of a Float.
  public static var vectorElementType: VectorElementType { VectorElementType(type: .bfloat16) }
}

extension VectorElement {
  /// Wraps pieces of elements of this type.
  static func vectorMemory(
    _ pieces: UnsafeBufferPointer<UnsafeMutableBufferPointer<Self>>
  ) -> VectorMemory {
    VectorMemory(pieces: HostPieces(pieces, of: vectorElementType.type))
  }

  #if OpenCL
  /// Appends a slice of elements of this type.
  static func append(_ slice: BufferSlice<Self>, to memory: inout DeviceMemory) {
    memory.slices.append(DeviceSlice(slice, of: vectorElementType.type))
  }
  #endif
}

/// What an array consists of to be a ``Vector``: elements, or unsafe buffers of elements.
public protocol VectorPart {
  /// Calls `body` with the memory of the vector that consists of these parts.
  static func withVectorMemory(
    of parts: UnsafeBufferPointer<Self>, _ body: (VectorMemory) throws -> Void
  ) throws
}

/// What an array consists of to be a ``MutableVector``: elements, or unsafe mutable buffers of
/// elements.
public protocol MutableVectorPart: VectorPart {
  /// Whether the parts are the elements themselves, which an array must own alone to be written, or
  /// refer to them.
  static var areElements: Bool { get }
}

extension VectorElement {
  /// True: an array of these holds the vector.
  public static var areElements: Bool { true }

  /// Calls `body` with contiguous elements as one piece.
  public static func withVectorMemory(
    of parts: UnsafeBufferPointer<Self>, _ body: (VectorMemory) throws -> Void
  ) throws {
    // Whether the memory may be written is the caller's knowledge; pieces have one type.
    try withUnsafePointer(to: UnsafeMutableBufferPointer(mutating: parts)) { piece in
      try body(vectorMemory(UnsafeBufferPointer(start: piece, count: 1)))
    }
  }
}

extension UnsafeBufferPointer: VectorPart where Element: VectorElement {
  /// Calls `body` with the buffers as pieces.
  public static func withVectorMemory(
    of parts: UnsafeBufferPointer<Self>, _ body: (VectorMemory) throws -> Void
  ) throws {
    // Rebound rather than converted: a step allocates nothing.
    try parts.withMemoryRebound(to: UnsafeMutableBufferPointer<Element>.self) { pieces in
      try body(Element.vectorMemory(pieces))
    }
  }
}

extension UnsafeMutableBufferPointer: VectorPart, MutableVectorPart where Element: VectorElement {
  /// False: an array of buffers refers to the vector.
  public static var areElements: Bool { false }

  /// Calls `body` with the buffers as pieces.
  public static func withVectorMemory(
    of parts: UnsafeBufferPointer<Self>, _ body: (VectorMemory) throws -> Void
  ) throws {
    try body(Element.vectorMemory(parts))
  }
}
