/// Steps over host memory.
extension Optimizer {
  /// Updates all parameters from all gradients.
  ///
  /// ```swift
  /// try optimizer.step(&parameters, gradients: gradients)  // arrays, models
  /// try optimizer.step(parameters.mutableSpan, gradients: gradients.span)
  /// ```
  ///
  /// - Memory may have any alignment. Parameters and gradients may be of different types and in
  ///   different pieces.
  /// - No piece of the parameters may overlap another piece of either vector. Pieces of the
  ///   gradients, which are only read, may overlap one another.
  /// - A step over arrays, spans and buffers allocates nothing.
  /// - A model (``ParameterVisitable``) passes the tensors of ``layout``, with their names and
  ///   shapes and in their order. Parameters are visited to borrow the tensors and again to return
  ///   them, gradients once. A gradient that ``leftOut`` names may be empty, as in a tangent vector
  ///   that is zero. A step over a model makes small allocations for lists of tensors and shapes;
  ///   ``ParameterVisitor`` lists what is copied. After an error the model has all its tensors,
  ///   except one that no later visit passes again; the error names it.
  ///
  /// - Parameters:
  ///   - parameters: `layout.count` elements, tensor after tensor, of the type that ``storage`` says.
  ///   - gradients: as many, in the same order: of `Float`, `Float16` or ``BFloat16``. A step in 16
  ///     bits is the one that takes the Floats of the same value, without a copy of these.
  ///   - gradientScale: a factor on every gradient: one over a loss scale, or over a number of
  ///     accumulated batches.
  /// - Throws: ``DescentError`` before anything is changed: ``DescentError/layout(name:reason:)``
  ///   with the first tensor of a model that is not the layout's. `OpenCLError` if the device
  ///   fails.
  public func step<
    Parameters: MutableVector & ~Copyable & ~Escapable, Gradients: Vector & ~Copyable & ~Escapable
  >(
    _ parameters: inout Parameters, gradients: borrowing Gradients, gradientScale: Double = 1
  ) throws {
    try parameters.withMutableVectorMemory(for: use(.parameters)) { parameters in
      try gradients.withVectorMemory(for: use(.gradients)) { gradients in
        try step(parameters, gradients, gradientScale, zeroes: false)
      }
    }
  }

  /// Updates parameters that are passed by value: a span, an unsafe buffer or an array of these.
  /// Otherwise as ``step(_:gradients:gradientScale:)-(Parameters,_,_)``.
  public func step<
    View: MutableVectorView & ~Copyable & ~Escapable, Gradients: Vector & ~Copyable & ~Escapable
  >(
    _ parameters: consuming View, gradients: borrowing Gradients, gradientScale: Double = 1
  ) throws {
    try step(&parameters, gradients: gradients, gradientScale: gradientScale)
  }

  /// Updates all parameters from all gradients and sets every gradient to 0 in the same pass over
  /// memory, also after a step that was skipped. No two pieces may overlap. Otherwise as
  /// ``step(_:gradients:gradientScale:)-(Parameters,_,_)``.
  public func step<
    Parameters: MutableVector & ~Copyable & ~Escapable,
    Gradients: MutableVector & ~Copyable & ~Escapable
  >(
    _ parameters: inout Parameters, zeroing gradients: inout Gradients, gradientScale: Double = 1
  ) throws {
    try parameters.withMutableVectorMemory(for: use(.parameters)) { parameters in
      try gradients.withMutableVectorMemory(for: use(.gradients)) { gradients in
        try step(parameters, gradients, gradientScale, zeroes: true)
      }
    }
  }

  /// Updates parameters and zeroes gradients that are passed by value. Otherwise as
  /// ``step(_:zeroing:gradientScale:)-(Parameters,_,_)``.
  public func step<
    View: MutableVectorView & ~Copyable & ~Escapable,
    GradientView: MutableVectorView & ~Copyable & ~Escapable
  >(
    _ parameters: consuming View, zeroing gradients: consuming GradientView,
    gradientScale: Double = 1
  ) throws {
    try step(&parameters, zeroing: &gradients, gradientScale: gradientScale)
  }

  /// What the parameters are in memory.
  public var storage: Storage { groups.programs.storage }

  func use(_ role: VectorUse.Role) -> VectorUse { VectorUse(role, in: self) }

  private func step(
    _ parameters: VectorMemory, _ gradients: VectorMemory, _ gradientScale: Double, zeroes: Bool
  ) throws {
    let (parameters, gradients) = (
      try parameters.elements(of: "parameters", as: storage.parameterType), gradients.pieces
    )
    try checkCount("parameters", parameters.elementCount)
    try checkCount("gradients", gradients.elementCount)
    try apart.check(parameters, gradients, zeroes: zeroes)
    try take(gradientScale, zeroes: zeroes) { try engine.update(parameters, gradients, $0) }
    try collect(wait: true)
  }
}
