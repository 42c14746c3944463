/// Steps over host memory.
extension Optimizer {
  /// Updates all parameters from all gradients.
  ///
  /// - Parameters:
  ///   - parameters: `layout.count` elements, tensor after tensor.
  ///   - gradients: lie the same way.
  ///   - gradientScale: what every gradient is multiplied by first: one over a loss scale, or over a
  ///     number of accumulated batches.
  /// - Throws: ``DescentError`` before anything is touched; `OpenCLError` if the device fails.
  public func step(
    _ parameters: inout [Float], gradients: [Float], gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeMutableBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { gradients in
        try step(parameters, gradients: gradients, gradientScale: gradientScale)
      }
    }
  }

  /// Updates all parameters from all gradients, and leaves every gradient 0, also after a step that was
  /// skipped: in the same pass over memory. Otherwise as
  /// ``step(_:gradients:gradientScale:)-([Float],_,_)``.
  public func step(
    _ parameters: inout [Float], zeroing gradients: inout [Float], gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeMutableBufferPointer { parameters in
      try gradients.withUnsafeMutableBufferPointer { gradients in
        try step(parameters, zeroing: gradients, gradientScale: gradientScale)
      }
    }
  }

  /// Updates memory of any alignment, and leaves every gradient 0. The two must not overlap. Otherwise as
  /// ``step(_:zeroing:gradientScale:)-([Float],_,_)``.
  public func step(
    _ parameters: UnsafeMutableBufferPointer<Float>,
    zeroing gradients: UnsafeMutableBufferPointer<Float>, gradientScale: Double = 1
  ) throws {
    try withPieces(parameters, gradients) { try step($0, $1, gradientScale, zeroes: true) }
  }

  /// Updates memory that a span lends: `step(parameters.mutableSpan, gradients: gradients.span)`.
  /// Otherwise as ``step(_:gradients:gradientScale:)-([Float],_,_)``.
  public func step(
    _ parameters: consuming MutableSpan<Float>, gradients: Span<Float>, gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeMutableBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { gradients in
        try step(parameters, gradients: gradients, gradientScale: gradientScale)
      }
    }
  }

  /// Updates memory of any alignment. The two must not overlap. Otherwise as
  /// ``step(_:gradients:gradientScale:)-([Float],_,_)``.
  public func step(
    _ parameters: UnsafeMutableBufferPointer<Float>, gradients: UnsafeBufferPointer<Float>,
    gradientScale: Double = 1
  ) throws {
    try withPieces(parameters, UnsafeMutableBufferPointer(mutating: gradients)) {
      try step($0, $1, gradientScale, zeroes: false)
    }
  }

  private func withPieces(
    _ parameters: UnsafeMutableBufferPointer<Float>,
    _ gradients: UnsafeMutableBufferPointer<Float>, _ body: (HostPieces, HostPieces) throws -> Void
  ) rethrows {
    try withUnsafePointer(to: parameters) { parameters in
      try withUnsafePointer(to: gradients) { gradients in
        try body(HostPieces(start: parameters, count: 1), HostPieces(start: gradients, count: 1))
      }
    }
  }

  /// Updates a vector that lies in several pieces of memory, tensor after tensor or cut anywhere:
  /// the pieces one after another are the vector. Gradients may be cut otherwise. No piece of the
  /// parameters may overlap another piece; those of the gradients, which are only read, may overlap
  /// one another. Otherwise as ``step(_:gradients:gradientScale:)-([Float],_,_)``.
  public func step(
    _ parameters: [UnsafeMutableBufferPointer<Float>], gradients: [UnsafeBufferPointer<Float>],
    gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { gradients in
        // Not an array of the other type: a step allocates nothing.
        try gradients.withMemoryRebound(to: UnsafeMutableBufferPointer<Float>.self) { gradients in
          try step(parameters, gradients, gradientScale, zeroes: false)
        }
      }
    }
  }

  /// The same, and leaves every gradient 0. No two pieces may overlap.
  public func step(
    _ parameters: [UnsafeMutableBufferPointer<Float>],
    zeroing gradients: [UnsafeMutableBufferPointer<Float>], gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { gradients in
        try step(parameters, gradients, gradientScale, zeroes: true)
      }
    }
  }

  private func step(
    _ parameters: HostPieces, _ gradients: HostPieces, _ gradientScale: Double, zeroes: Bool
  ) throws {
    try checkCount("parameters", parameters.reduce(0) { $0 + $1.count })
    try checkCount("gradients", gradients.reduce(0) { $0 + $1.count })
    try apart.check(parameters, gradients, zeroes: zeroes)
    try take(gradientScale, zeroes: zeroes) { try engine.update(parameters, gradients, $0) }
    try collect(wait: true)
  }
}
