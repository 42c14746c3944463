// MARK: Parameters in pieces

extension Optimizer {
  /// As with one vector, for parameters that lie in several pieces of memory, tensor after tensor or
  /// cut anywhere: the pieces one after another are the vector.
  public func save(
    to path: String, parameters pieces: [UnsafeBufferPointer<Float>],
    naming: StateNaming = .descent, metadata: [String: String] = [:], shardSize: Int = .max
  ) throws {
    try write(path, VectorPieces(pieces), naming, metadata, shardSize)
  }

  /// As with one vector, for a model that hands over the tensors of ``layout``, in its order.
  /// ``ParameterVisitor`` says what is copied.
  ///
  /// Throws ``DescentError/layout(name:reason:)`` with the first tensor that is not the layout's.
  public func save<Model: ParameterVisitable>(
    to path: String, model: Model, naming: StateNaming = .descent,
    metadata: [String: String] = [:], shardSize: Int = .max
  ) throws {
    var model = model
    try TensorLoan(layout, of: "parameters", writes: false).lend(&model) {
      try write(path, VectorPieces($0), naming, metadata, shardSize)
    }
  }

  /// As into one vector, for parameters that lie in several pieces of memory, tensor after tensor or
  /// cut anywhere: the pieces one after another are the vector. No two may overlap.
  public func load(
    from checkpoint: Checkpoint, parameters pieces: [UnsafeMutableBufferPointer<Float>]
  ) throws {
    try load(checkpoint, VectorPieces(pieces))
  }

  /// As into one vector, for a model that hands over the tensors of ``layout``, in its order; it has
  /// them back also after an error.
  ///
  /// Throws ``DescentError/layout(name:reason:)`` with the first tensor that is not the layout's,
  /// before anything is touched.
  public func load<Model: ParameterVisitable>(
    from checkpoint: Checkpoint, model: inout Model
  ) throws {
    try TensorLoan(layout, of: "parameters", writes: true).lend(&model) {
      try load(checkpoint, VectorPieces($0))
    }
  }

  /// As with a checkpoint that was opened: `try optimizer.load(from: "run.safetensors", model:
  /// &model)`.
  public func load<Model: ParameterVisitable>(from path: String, model: inout Model) throws {
    try load(from: Checkpoint(path), model: &model)
  }
}
