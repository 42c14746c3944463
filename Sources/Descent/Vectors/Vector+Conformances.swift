// MARK: Arrays

extension Array: Vector where Element: VectorPart {
  /// Calls `body` with the array's memory, or with the buffers in it.
  public func withVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try withUnsafeBufferPointer { try Element.withVectorMemory(of: $0, body) }
  }
}

extension Array: MutableVector where Element: MutableVectorPart {
  /// Calls `body` with the array's memory, or with the buffers in it.
  public mutating func withMutableVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    // A list of buffers is only read, and may be shared: making it unique would copy it.
    guard Element.areElements else { return try withVectorMemory(for: use, body) }
    try withUnsafeMutableBufferPointer {
      try Element.withVectorMemory(of: UnsafeBufferPointer($0), body)
    }
  }
}

extension Array: MutableVectorView where Element: MutableVectorPart & MutableVectorView {}

extension ContiguousArray: Vector where Element: VectorPart {
  /// Calls `body` with the array's memory, or with the buffers in it.
  public func withVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try withUnsafeBufferPointer { try Element.withVectorMemory(of: $0, body) }
  }
}

extension ContiguousArray: MutableVector where Element: MutableVectorPart {
  /// Calls `body` with the array's memory, or with the buffers in it.
  public mutating func withMutableVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    // A list of buffers is only read, and may be shared: making it unique would copy it.
    guard Element.areElements else { return try withVectorMemory(for: use, body) }
    try withUnsafeMutableBufferPointer {
      try Element.withVectorMemory(of: UnsafeBufferPointer($0), body)
    }
  }
}

extension ContiguousArray: MutableVectorView where Element: MutableVectorPart & MutableVectorView {}

// MARK: Spans

extension Span: Vector where Element: VectorElement {
  /// Calls `body` with the span's memory.
  public func withVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try withUnsafeBufferPointer { try Element.withVectorMemory(of: $0, body) }
  }
}

extension MutableSpan: Vector, MutableVector, MutableVectorView where Element: VectorElement {
  /// Calls `body` with the span's memory.
  public func withVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try withUnsafeBufferPointer { try Element.withVectorMemory(of: $0, body) }
  }

  /// Calls `body` with the span's memory.
  public mutating func withMutableVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try withUnsafeMutableBufferPointer {
      try Element.withVectorMemory(of: UnsafeBufferPointer($0), body)
    }
  }
}

// MARK: Unsafe buffers

extension UnsafeBufferPointer: Vector where Element: VectorElement {
  /// Calls `body` with the buffer.
  public func withVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try Element.withVectorMemory(of: self, body)
  }
}

extension UnsafeMutableBufferPointer: Vector, MutableVector, MutableVectorView
where Element: VectorElement {
  /// Calls `body` with the buffer.
  public func withVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try Element.withVectorMemory(of: UnsafeBufferPointer(self), body)
  }

  /// Calls `body` with the buffer.
  public mutating func withMutableVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try Element.withVectorMemory(of: UnsafeBufferPointer(self), body)
  }
}

// MARK: Models

extension ParameterVisitable {
  /// Calls `body` with the model's tensors as pieces, which are read where they are.
  /// ``ParameterVisitor`` lists what is copied.
  public func withVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    var model = self
    try model.lend(for: use, writes: false, body)
  }

  /// Calls `body` with the model's tensors as pieces, which are written where they are.
  /// ``ParameterVisitor`` lists what is copied. After an error the model has all its tensors.
  public mutating func withMutableVectorMemory(
    for use: borrowing VectorUse, _ body: (VectorMemory) throws -> Void
  ) throws {
    try lend(for: use, writes: true, body)
  }

  private mutating func lend(
    for use: borrowing VectorUse, writes: Bool, _ body: (VectorMemory) throws -> Void
  ) throws {
    let layout = try use.layout ?? ParameterLayout(of: self)
    let loan = TensorLoan(
      layout, of: use.name, writes: writes, mayBeMissing: use.mayBeMissing)
    try loan.lend(&self) { pieces in
      try pieces.withUnsafeBufferPointer { try body(Float.vectorMemory($0)) }
    }
  }
}
