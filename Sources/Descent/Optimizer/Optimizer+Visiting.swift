extension Optimizer {
  /// Updates a model's tensors where they lie, from gradients that lie in a model of the same layout.
  ///
  /// The model is visited to borrow its tensors and again to give them back, the gradients once;
  /// they may share memory with one another. ``ParameterVisitor`` says what is copied. A step makes
  /// some small allocations, for lists of tensors and for shapes, and none as long as a tensor but
  /// for what is copied. After an error the model has all its tensors, but for one that no later
  /// visit asks back; the error names it where the step was taken.
  ///
  /// - Parameters:
  ///   - model: hands over the tensors of ``layout``, with their names and shapes and in their order;
  ///     what lies between them in the layout is not the model's.
  ///   - gradients: hand over the same; they are the same after the step. A tensor that ``leftOut`` names
  ///     may be empty here, as in a tangent vector that is zero; zeros in memory of the step's own stand
  ///     for it.
  ///   - gradientScale: as in ``step(_:gradients:gradientScale:)-([Float],_,_)``.
  /// - Throws: ``DescentError/layout(name:reason:)`` with the first tensor that is not the layout's, and
  ///   other ``DescentError``s, before anything is touched; `OpenCLError` if the device fails.
  public func step<Model: ParameterVisitable, Gradients: ParameterVisitable>(
    _ model: inout Model, gradients: Gradients, gradientScale: Double = 1
  ) throws {
    var gradients = gradients
    try lend(&model, &gradients, writing: false) {
      try step(
        $0, gradients: $1.map { UnsafeBufferPointer($0) }, gradientScale: gradientScale)
    }
  }

  /// The same, and leaves every gradient 0, also after a step that was skipped.
  public func step<Model: ParameterVisitable, Gradients: ParameterVisitable>(
    _ model: inout Model, zeroing gradients: inout Gradients, gradientScale: Double = 1
  ) throws {
    try lend(&model, &gradients, writing: true) {
      try step($0, zeroing: $1, gradientScale: gradientScale)
    }
  }

  private func lend<Model: ParameterVisitable, Gradients: ParameterVisitable>(
    _ model: inout Model, _ gradients: inout Gradients, writing: Bool,
    _ body: (
      [UnsafeMutableBufferPointer<Float>], [UnsafeMutableBufferPointer<Float>]
    ) throws -> Void
  ) throws {
    try TensorLoan(layout, of: "parameters", writes: true).lend(&model) { parameters in
      try TensorLoan(layout, of: "gradients", writes: writing, mayBeMissing: leftOut)
        .lend(&gradients) { gradients in try body(parameters, gradients) }
    }
  }

  /// Replaces a model's parameters by Nesterov's iterate: as ``settle(_:)-([Float])``.
  public func settle<Model: ParameterVisitable>(_ model: inout Model) throws {
    try TensorLoan(layout, of: "parameters", writes: true).lend(&model) { pieces in
      var flat = pieces.flatMap { $0 }
      try settle(&flat)
      Self.copy(flat, to: pieces)
    }
  }

  /// Replaces a model's parameters by their ``average()``, in a copy to evaluate or to publish:
  ///
  ///     var averaged = model
  ///     try optimizer.writeAverage(into: &averaged)
  ///
  /// Throws ``DescentError``, and leaves the model as it was, where no average has begun or the model is not the
  /// layout's.
  public func writeAverage<Model: ParameterVisitable>(into model: inout Model) throws {
    try TensorLoan(layout, of: "parameters", writes: true).lend(&model) {
      Self.copy(try average(), to: $0)
    }
  }

  private static func copy(_ vector: [Float], to pieces: [UnsafeMutableBufferPointer<Float>]) {
    var start = 0
    for piece in pieces {
      _ = piece.update(fromContentsOf: vector[start..<start + piece.count])
      start += piece.count
    }
  }
}
