/// Writes an optimizer's state to a file, under this package's names or PyTorch's.
struct CheckpointWriter {
  private let status: OptimizerStatus
  private let hasParameters: Bool
  private let writer: SafetensorsWriter
  /// States by their names in the file.
  private let stateNames: [(own: String, file: String)]

  /// Throws ``SafetensorsError`` for a metadata key that is taken or two tensors of one name, and
  /// ``CheckpointError/interchange(_:)`` for a state that PyTorch cannot take.
  init(
    _ path: String, status: OptimizerStatus, naming: StateNaming, hasParameters: Bool,
    metadata: [String: String], shardSize: Int
  ) throws {
    if let key = metadata.keys.first(where: Checkpoint.isReserved) {
      throw SafetensorsError.declaration(
        name: key, reason: "a checkpoint sets metadata that begins like this itself")
    }
    var entries: [String: String]
    switch naming {
    case .descent:
      entries = try status.metadata
      stateNames = status.stateNames.map { ($0, $0) }
    case .pyTorch:
      entries = try PyTorchOptimizer(status).metadata
      stateNames = try status.rule.stateNames.map {
        ($0, try PyTorchOptimizer.stateName($0, of: status.rule))
      }
    }
    entries.merge(metadata) { own, _ in own }
    var tensors: [SafetensorsTensor] = []
    if hasParameters {
      tensors = try status.layout.tensors.map { try SafetensorsTensor($0.name, shape: $0.shape) }
    }
    for state in stateNames {
      tensors += try status.layout.tensors.map {
        try SafetensorsTensor(
          Checkpoint.tensorName(ofState: state.file, of: $0.name), shape: $0.shape)
      }
    }
    (self.status, self.hasParameters) = (status, hasParameters)
    writer = try SafetensorsWriter(
      path, tensors: tensors, metadata: entries, shardSize: shardSize)
  }

  /// Gives elements of a tensor's parameters, counted from its first.
  typealias ParameterReader = (
    ParameterLayout.Tensor, Range<Int>, UnsafeMutableBufferPointer<Float>
  ) throws -> Void

  /// Writes everything piece by piece, and puts the file in its place.
  func write(_ parameters: ParameterReader, states: Optimizer.StateReader) throws {
    let count = min(Optimizer.pieceCount, status.layout.tensors.map(\.count).max() ?? 0)
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    defer { memory.deallocate() }
    memory.initialize(repeating: 0)
    func write(
      _ tensor: ParameterLayout.Tensor, to name: String,
      _ read: (Range<Int>, UnsafeMutableBufferPointer<Float>) throws -> Void
    ) throws {
      for start in stride(from: 0, to: tensor.count, by: Optimizer.pieceCount) {
        let elements = start..<min(start + Optimizer.pieceCount, tensor.count)
        let piece = UnsafeMutableBufferPointer(rebasing: memory[..<elements.count])
        try read(elements, piece)
        try writer.append(UnsafeBufferPointer(piece), to: name)
      }
    }
    if hasParameters {
      for tensor in status.layout.tensors {
        try write(tensor, to: tensor.name) { try parameters(tensor, $0, $1) }
      }
    }
    for state in stateNames {
      for tensor in status.layout.tensors {
        try write(tensor, to: Checkpoint.tensorName(ofState: state.file, of: tensor.name)) {
          try states(state.own, tensor, $0, $1)
        }
      }
    }
    try writer.commit()
  }
}

extension Checkpoint {
  /// Writes the same to another file, under this package's names or PyTorch's, in one file or in
  /// shards. The trainer's ``metadata`` goes along. A model's file has no names to change.
  ///
  /// - Throws: ``CheckpointError/interchange(_:)`` for a state that PyTorch cannot take, and
  ///   ``SafetensorsError`` if this file was altered or the other cannot be written.
  public func write(
    to path: String, naming: StateNaming = .descent, shardSize: Int = .max
  ) throws {
    guard let status else { return try copyModel(to: path, shardSize: shardSize) }
    if hasParameters {
      for tensor in status.layout.tensors { try check(tensor.name, tensor.shape) }
    }
    try verify()
    let writer = try CheckpointWriter(
      path, status: status, naming: naming, hasParameters: hasParameters, metadata: metadata,
      shardSize: shardSize)
    try writer.write {
      try reader.file(of: $0.name).read($0.name, elements: $1, into: $2)
    } states: {
      try read($0, $1, $2, $3)
    }
  }

  /// Tensors of whatever type, one after the other.
  private func copyModel(to path: String, shardSize: Int) throws {
    try verify()
    let writer = try SafetensorsWriter(
      path, tensors: reader.tensors, metadata: reader.metadata, shardSize: shardSize)
    for tensor in reader.tensors {
      let bytes = try reader.file(of: tensor.name).bytes(tensor.name)
      try bytes.withUnsafeBytes { try writer.append($0, to: tensor.name) }
    }
    try writer.commit()
  }
}
