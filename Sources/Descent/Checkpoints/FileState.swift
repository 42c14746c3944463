internal import Safetensors

/// What a file has of a tensor's state.
enum FileState: Equatable {
  /// A tensor of its own.
  case stored(name: String, shape: [Int])
  /// Nothing: every number of the state is the mean of a tensor.
  case mean(of: String)

  /// The tensor that the state is read from.
  var name: String {
    switch self {
    case .stored(let name, _), .mean(of: let name): name
    }
  }
}

extension OptimizerStatus {
  /// What a file under these names has of a state. Throws ``CheckpointError/interchange(_:)`` for
  /// one that PyTorch has no name for.
  func fileState(
    _ state: String, of tensor: ParameterLayout.Tensor, _ naming: StateNaming
  ) throws(CheckpointError) -> FileState {
    let rule = tensorRule(tensor.name)
    if naming == .pyTorch { return try PyTorchOptimizer.fileState(state, rule, tensor) }
    return .stored(
      name: Checkpoint.tensorName(ofState: state, of: tensor.name),
      shape: (rule.shape(ofState: state) ?? .parameter).sizes(of: tensor.shape))
  }
}

extension PyTorchOptimizer {
  /// What PyTorch has of a rule's state.
  static func fileState(
    _ state: String, _ rule: any UpdateRule, _ tensor: ParameterLayout.Tensor
  ) throws(CheckpointError) -> FileState {
    if rule is Muon && tensor.shape.count != 2 {
      throw .interchange(
        "Muon of PyTorch takes matrices alone, and \(excerpt(tensor.name)) is \(tensor.shape)")
    }
    guard rule is Adafactor else {
      return .stored(
        name: Checkpoint.tensorName(ofState: try stateName(state, of: rule), of: tensor.name),
        shape: (rule.shape(ofState: state) ?? .parameter).sizes(of: tensor.shape))
    }
    func stored(_ name: String, _ shape: [Int]) -> FileState {
      .stored(name: Checkpoint.tensorName(ofState: name, of: tensor.name), shape: shape)
    }
    let shape = tensor.shape
    switch (state, shape.count) {
    case ("col", 0...1): return stored("variance", shape)
    case ("row", 2): return stored("row_var", [shape[0], 1])
    case ("col", 2): return stored("col_var", [1, shape[1]])
    // PyTorch takes the mean of the rows when it needs that; a vector is one row.
    case ("mean", 2): return .mean(of: stored("row_var", []).name)
    case (_, 0...1): return .mean(of: stored("variance", []).name)
    default:
      throw .interchange(
        "Adafactor of PyTorch takes the last two sizes of \(excerpt(tensor.name)), which is "
          + "\(shape), for a matrix, and here the last one has the columns; allowed are one or two "
          + "sizes")
    }
  }
}
