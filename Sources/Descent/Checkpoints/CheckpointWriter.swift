internal import Safetensors

/// Writes an optimizer's state to a file, under this package's names or PyTorch's.
struct CheckpointWriter {
  private let status: OptimizerStatus
  private let hasParameters: Bool
  fileprivate let writer: SafetensorsWriter
  /// By tensor its states, by their names in the file. Files have state after state.
  private let states: [State]

  private struct State {
    let tensor: ParameterLayout.Tensor
    let own: String
    let file: String
    let shape: [Int]
    let type: ElementType
  }

  /// The `carried` tensors come first. The caller writes them.
  ///
  /// Throws ``/Safetensors/SafetensorsError`` for a metadata key that is taken or two tensors of
  /// one name, and ``CheckpointError/interchange(_:)`` for a state that PyTorch cannot take.
  init(
    _ path: String, status: OptimizerStatus, naming: StateNaming, hasParameters: Bool,
    carrying carried: [SafetensorsTensor] = [], metadata: [String: String], shardSize: Int
  ) throws {
    if let key = metadata.keys.first(where: Checkpoint.isReserved) {
      throw SafetensorsError.declaration(
        name: key, reason: "a checkpoint sets metadata that begins like this itself")
    }
    var entries: [String: String]
    switch naming {
    case .descent:
      entries = try status.metadata
    case .pyTorch:
      entries = try PyTorchOptimizer(status).metadata
    }
    entries.merge(metadata) { own, _ in own }
    var tensors = carried
    if hasParameters {
      tensors += try status.layout.tensors.map {
        try SafetensorsTensor($0.name, type: status.storage.parameterType.fileType, shape: $0.shape)
      }
    }
    var states: [State] = []
    let left = naming == .descent ? [] : [Optimizer.averageName, status.storage.companion?.name]
    for name in status.stateNames where !left.contains(name) {
      for tensor in status.layout.tensors
      where status.stateNames(ofTensor: tensor.name).contains(name) {
        guard case .stored(let file, let shape) = try status.fileState(name, of: tensor, naming)
        else { continue }
        states.append(
          State(
            tensor: tensor, own: name, file: file, shape: shape,
            type: status.elementType(ofState: name)))
      }
    }
    tensors += try states.map {
      try SafetensorsTensor($0.file, type: $0.type.fileType, shape: $0.shape)
    }
    self.states = states
    (self.status, self.hasParameters) = (status, hasParameters)
    writer = try SafetensorsWriter(
      path, tensors: tensors, metadata: entries, shardSize: shardSize)
  }

  /// Gives elements of a tensor's parameters, counted from its first.
  typealias ParameterReader = (
    ParameterLayout.Tensor, Range<Int>, ElementBuffer
  ) throws -> Void

  /// Writes everything piece by piece, and puts the file in its place.
  func write(_ parameters: ParameterReader, states: Optimizer.StateReader) throws {
    let count = min(Optimizer.pieceCount, status.layout.tensors.map(\.count).max() ?? 0)
    let memory = try HostVectors([.init(count: count)])
    func write(
      _ total: Int, of type: ElementType, to name: String,
      _ read: (Range<Int>, ElementBuffer) throws -> Void
    ) throws {
      for start in stride(from: 0, to: total, by: Optimizer.pieceCount) {
        let elements = start..<min(start + Optimizer.pieceCount, total)
        // The memory is that of Floats, whatever the elements are.
        let first = ElementPointer(memory.arrays[0].address, type)
        let piece = ElementBuffer(start: first, count: elements.count)
        try read(elements, piece)
        try writer.append(UnsafeRawBufferPointer(piece.bytes), to: name)
      }
    }
    if hasParameters {
      for tensor in status.layout.tensors {
        try write(tensor.count, of: status.storage.parameterType, to: tensor.name) {
          try parameters(tensor, $0, $1)
        }
      }
    }
    for state in self.states {
      try write(
        StateShape.parameter.count(of: state.shape), of: state.type, to: state.file
      ) {
        try states(state.own, state.tensor, $0, $1)
      }
    }
    try writer.commit()
  }
}

extension Checkpoint {
  /// Writes the same to another file, under this package's names or PyTorch's, in one file or in
  /// shards. The trainer's ``metadata`` is copied, as is every tensor that is not a state, of any
  /// type, whether or not the layout has it. A model's file has no names to change.
  ///
  /// - Throws: ``CheckpointError/interchange(_:)`` for a state that PyTorch cannot take, and
  ///   ``/Safetensors/SafetensorsError`` if this file was altered or the other cannot be written.
  public func write(
    to path: String, naming: StateNaming = .descent, shardSize: Int = .max
  ) throws {
    if let (name, reason) = reader.unreadable.min(by: { $0.key < $1.key }) {
      throw CheckpointError.tensor(
        name: name, reason: "\(reason) in \(self.path), which cannot be written again")
    }
    try verify()
    guard let status else {
      let writer = try SafetensorsWriter(
        path, tensors: reader.tensors, metadata: reader.metadata, shardSize: shardSize)
      for tensor in reader.tensors { try writer.carry(tensor, from: reader) }
      return try writer.commit()
    }
    var states: Set<String> = []
    for tensor in status.layout.tensors {
      for state in status.stateNames(ofTensor: tensor.name) {
        states.insert(try fileState(state, of: tensor).name)
      }
    }
    let carried = reader.tensors.filter { !states.contains($0.name) }
    let writer = try CheckpointWriter(
      path, status: status, naming: naming, hasParameters: false, carrying: carried,
      metadata: metadata, shardSize: shardSize)
    for tensor in carried { try writer.writer.carry(tensor, from: reader) }
    try writer.write {
      _, _, _ in
    } states: {
      try read($0, $1, $2, $3)
    }
  }
}

extension SafetensorsWriter {
  /// Writes a tensor of another file, of any type, piece by piece. Its checksum is not compared.
  fileprivate func carry(_ tensor: SafetensorsTensor, from reader: SafetensorsReader) throws {
    let (source, size) = (try reader.file(of: tensor.name), 1 << 20)
    var memory = [UInt8](repeating: 0, count: min(size, tensor.byteCount))
    for start in stride(from: 0, to: tensor.byteCount, by: size) {
      let range = start..<min(start + size, tensor.byteCount)
      try memory.withUnsafeMutableBytes {
        let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<range.count])
        try source.read(tensor.name, bytes: range, into: piece)
        try append(UnsafeRawBufferPointer(piece), to: tensor.name)
      }
    }
  }
}
