public import Safetensors

/// A file with an optimizer's state, a model's parameters, or both; one file, or shards with an
/// index.
///
/// Tensors have these names, and the shapes of the layout; a state of another ``StateShape`` has
/// the sizes of that:
///
/// - `NAME`: the parameters of the tensor NAME, where they were saved too;
/// - `optimizer.STATE.NAME`: one of its states, such as `optimizer.m.hidden.weight`;
///   `optimizer.average.NAME` is the average of the parameters, where one is kept, and
///   `optimizer.remainder.NAME` or `optimizer.master.NAME` what their ``Storage`` keeps of them.
///
/// States are of the type F32, remainders I16, and parameters F32, BF16 or F16.
///
/// The metadata says the rest: `optimizer.rule`, `optimizer.layout`, `optimizer.steps` and
/// `optimizer.control`, each in JSON. A file that `Examples/pytorch` has made of a PyTorch
/// optimizer has PyTorch's names, such as `optimizer.exp_avg.hidden.weight`, and
/// `pytorch.optimizer` instead; it is read as the same state.
///
/// To open one reads and checks its headers and metadata alone; ``verify()`` reads it whole.
public struct Checkpoint: Sendable {
  /// As it was given: a file, or an index of shards.
  public let path: String
  /// The tensors as they are stored in the file, and the metadata.
  public let reader: SafetensorsReader
  /// The optimizer's status; nil for a model's file.
  public let status: OptimizerStatus?
  /// Whose names the states have.
  public let naming: StateNaming
  /// What the file says of PyTorch's groups, whose rates depend on who loads them.
  let pyTorch: PyTorchOptimizer?

  /// The metadata that the trainer passed to
  /// ``Optimizer/save(to:parameters:naming:metadata:shardSize:)``. An entry `format` with the value
  /// `pt` is left out, since every file has it.
  public var metadata: [String: String] {
    reader.metadata.filter {
      !Self.isReserved($0.key)
        && !($0.key == SafetensorsMetadata.framework && $0.value.hasBytes(of: "pt"))
    }
  }

  /// Opens a file, or an index of shards, and checks that the states it should have are there, and
  /// that they and the parameters that are there have their shapes. Throws
  /// ``/Safetensors/SafetensorsError`` for a file that is not whole, ``CheckpointError`` for one
  /// with an invalid value.
  public init(_ path: String) throws {
    let reader = try SafetensorsReader(path)
    (self.path, self.reader) = (path, reader)
    for (key, text) in reader.metadata where Self.isReserved(key) && !text.isStreamSafe {
      throw CheckpointError.metadata(file: path, key: key, reason: String.tooManyMarks)
    }
    if let status = try OptimizerStatus(metadata: reader.metadata, file: path) {
      (self.status, naming, pyTorch) = (status, .descent, nil)
    } else if let given = try PyTorchOptimizer(reader.metadata, file: path) {
      status = try OptimizerStatus(given, reader, file: path)
      (naming, pyTorch) = (.pyTorch, given)
    } else {
      (status, naming, pyTorch) = (nil, .descent, nil)
    }
    try checkStates()
  }

  /// Compares every tensor with its checksum, where the file has them.
  public func verify() throws { try reader.verify() }

  /// Whether the parameters of all of the optimizer's tensors are in the file.
  public var hasParameters: Bool {
    guard let status else { return !reader.tensors.isEmpty }
    return status.layout.tensors.allSatisfy { reader[$0.name] != nil }
  }

  /// The name of a state's tensor in a file: `optimizer.m.weight`.
  public static func tensorName(ofState state: String, of tensor: String) -> String {
    statePrefix + state + "." + tensor
  }

  static let statePrefix = "optimizer."

  static func isReserved(_ key: String) -> Bool {
    key.startsWithBytes(statePrefix) || key.startsWithBytes(PyTorchOptimizer.prefix)
  }

  /// Throws if the states are not those that the status requires.
  private func checkStates() throws(CheckpointError) {
    guard let status else { return }
    var expected: Set<String> = []
    for tensor in status.layout.tensors {
      for state in status.stateNames(ofTensor: tensor.name) {
        let own = try fileState(state, of: tensor)
        try check(own, status.elementType(ofState: state))
        expected.insert(own.name)
      }
    }
    for tensor in status.layout.tensors where !expected.contains(tensor.name) {
      if let found = reader[tensor.name] { try checkShape(found, tensor.shape) }
    }
    for tensor in reader.tensors
    where tensor.name.startsWithBytes(Self.statePrefix) && !expected.contains(tensor.name)
      && status.layout[tensor.name] == nil
    {
      throw .tensor(
        name: tensor.name,
        reason: "no state of \(type(of: status.rule).name) for a tensor of the layout")
    }
  }

  /// What this file has of a state of a tensor, if that has the shape given.
  func fileState(
    _ state: String, of tensor: ParameterLayout.Tensor
  ) throws(CheckpointError) -> FileState {
    guard let status else { throw .noOptimizer(file: path) }
    return try status.fileState(state, of: tensor, naming)
  }

  /// Throws unless the file has what a state is read from.
  func check(
    _ state: FileState, _ type: ElementType = .float32
  ) throws(CheckpointError) {
    // The tensor of a mean is another state's, which is checked itself.
    if case .stored(let name, let shape) = state { try check(name, shape, type) }
  }

  /// Throws unless the file has the tensor, of the type or one that `converting` allows.
  func check(
    _ name: String, _ shape: [Int], _ type: ElementType = .float32, converting: Bool = false
  ) throws(CheckpointError) {
    let expected = type.fileType
    guard let found = reader[name] else {
      let reason = reader.unreadable[name].map {
        "\($0) in \(path); expected is \(expected.rawValue)"
      }
      throw .tensor(name: name, reason: reason ?? "it is missing in \(path)")
    }
    try checkShape(found, shape)
    if found.type != expected
      && !(converting && SafetensorsType.readableAsFloat.contains(found.type))
    {
      throw .tensor(
        name: name,
        reason: "the type \(found.type.rawValue) in \(path); expected is \(expected.rawValue)")
    }
  }

  private func checkShape(
    _ found: SafetensorsTensor, _ shape: [Int]
  ) throws(CheckpointError) {
    if found.shape != shape {
      throw .tensor(
        name: found.name, reason: "the shape \(found.shape) in \(path); expected is \(shape)")
    }
  }
}

extension Checkpoint {
  /// The status, after a check that memory for its layout may be allocated. The tensors bound the
  /// length of a file, but its layout may place them at any offset, and without a state may have
  /// tensors of any shape.
  func roomyStatus() throws -> OptimizerStatus {
    guard let status else { throw CheckpointError.noOptimizer(file: path) }
    let (own, limit) = (status.layout.elementCount, 1 << 24)
    if status.layout.count - own > own + limit {
      throw CheckpointError.metadata(
        file: path, key: OptimizerStatus.Entry.layout.rawValue,
        reason: "\(status.layout.count - own) elements lie between the tensors; allowed is up to "
          + "\(own + limit) here, or to load into an optimizer that has such a layout")
    }
    // Of one vector at least: the parameters, if there is no state.
    let vectors = max(status.stateNames.count, 1)
    try SafetensorsFile.checkMemory(status.layout.count, MemoryLayout<Float>.stride * vectors)
    return status
  }

  /// Every state, read into memory and compared with its checksum. Throws
  /// ``/Safetensors/SafetensorsError/memory(bytes:)`` where there is no memory for it.
  public func state() throws -> OptimizerState {
    let status = try roomyStatus()
    try verify()
    var values: [String: [Float]] = [:]
    for state in status.stateNames {
      let whole = status.wholeState(state)
      var value = [Float](repeating: 0, count: whole.count)
      for (tensor, part) in zip(status.layout.tensors, whole.parts) {
        guard let range = part?.range else { continue }
        try value.withUnsafeMutableBufferPointer {
          let floats = ElementBuffer(UnsafeMutableBufferPointer(rebasing: $0[range]))
          let type = status.elementType(ofState: state)
          if type == .float32 { return try read(state, tensor, 0..<range.count, floats) }
          let memory = try HostVectors([.init(type: type, count: range.count)])
          try read(
            state, tensor, 0..<range.count,
            ElementBuffer(start: memory.arrays[0], count: range.count))
          if let start = floats.floats.baseAddress {
            memory.arrays[0].copyFloats(to: start, count: range.count)
          }
        }
      }
      values[state] = value
    }
    return OptimizerState(status, values: values)
  }

  /// Reads parameters by name, from an optimizer's checkpoint or from any model's file, into a
  /// vector of the layout: an array, a model, or a variable that holds buffers.
  ///
  /// Tensors that the file does not have stay as they are, as do those for which `isWanted` does
  /// not hold. Everything is checked, checksums too, before anything is read.
  ///
  /// With `converting` 16-bit and 64-bit floats are taken too: F64 rounded, others exactly.
  ///
  /// - Returns: what was read, what else the file has, and what stayed.
  /// - Throws: ``CheckpointError`` for a tensor of another shape or type,
  ///   ``/Safetensors/SafetensorsError`` for a file that was altered.
  @discardableResult
  public func readParameters(
    into parameters: inout some MutableVector & ~Copyable & ~Escapable, layout: ParameterLayout,
    converting: Bool = false,
    where isWanted: (ParameterLayout.Tensor) throws -> Bool = { _ in true }
  ) throws -> LoadReport {
    var report = LoadReport()
    try parameters.withMutableVectorMemory(for: VectorUse(.parameters, in: layout)) { memory in
      guard memory.count == layout.count else {
        throw DescentError.count(of: "parameters", given: memory.count, expected: layout.count)
      }
      let wanted = try layout.tensors.filter { try isWanted($0) && reader[$0.name] != nil }
      for tensor in wanted { try check(tensor.name, tensor.shape, converting: converting) }
      try verify()
      let pieces = HostVector(try memory.floats(of: "parameters"))
      for tensor in wanted {
        try readParameters(of: tensor, into: pieces, converting: converting)
      }
      report = LoadReport(self, layout, loaded: wanted.map(\.name), parameters: true)
    }
    return report
  }

  func readParameters(
    of tensor: ParameterLayout.Tensor, into parameters: HostVector, converting: Bool = false
  ) throws {
    let file = try reader.file(of: tensor.name)
    try parameters.forEachPart(of: tensor.range) { part, offset in
      if let type = part.start?.type, type != .float32 {
        return try file.read(
          tensor.name, elements: offset..<offset + part.count, of: type, into: part)
      }
      if part.count == tensor.count {
        return try file.read(tensor.name, into: part.floats, converting: converting)
      }
      try file.read(
        tensor.name, elements: offset..<offset + part.count, into: part.floats,
        converting: converting)
    }
  }
}

/// Where a checkpoint is loaded from: a path, as a `String`, or a ``Checkpoint`` that was opened.
public protocol CheckpointSource {
  /// The checkpoint, opened if it was not. Throws as ``Checkpoint/init(_:)`` does.
  func openedCheckpoint() throws -> Checkpoint
}

extension SafetensorsFile {
  /// Reads elements of a type as they are.
  func read(
    _ name: String, elements: Range<Int>, of type: ElementType, into memory: ElementBuffer
  ) throws(SafetensorsError) {
    let bytes = elements.lowerBound * type.size..<elements.upperBound * type.size
    try read(name, bytes: bytes, into: memory.bytes)
  }
}

extension ElementType {
  /// The type of a tensor in a file.
  var fileType: SafetensorsType {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .remainder: .int16
    }
  }
}

extension Checkpoint: CheckpointSource {
  /// The checkpoint itself.
  public func openedCheckpoint() -> Checkpoint { self }
}

extension String: CheckpointSource {
  /// The checkpoint at this path. Throws as ``Checkpoint/init(_:)`` does.
  public func openedCheckpoint() throws -> Checkpoint { try Checkpoint(self) }
}

/// What a call that loads has taken from a file.
public struct LoadReport: Equatable, Sendable {
  /// Tensors of the layout that were loaded.
  public var loaded: [String] = []
  /// What else the file has, by the file's names.
  public var leftOut: [String] = []
  /// Tensors of the layout that stayed as they were.
  public var kept: [String] = []

  init() {}

  init(
    _ checkpoint: Checkpoint, _ layout: ParameterLayout, loaded: [String], parameters: Bool,
    states: [String] = []
  ) {
    let names = Set(loaded)
    self.loaded = loaded
    kept = layout.tensors.map(\.name).filter { !names.contains($0) }
    var taken = parameters ? names : []
    for state in states {
      for tensor in layout.tensors where names.contains(tensor.name) {
        if let own = try? checkpoint.fileState(state, of: tensor) { taken.insert(own.name) }
      }
    }
    leftOut = checkpoint.reader.tensors.map(\.name).filter { !taken.contains($0) }
  }
}

/// Whose names a file's states have.
public enum StateNaming: String, CaseIterable, Sendable {
  /// This package's: `m`, `v`.
  case descent
  /// PyTorch's: `exp_avg`, `exp_avg_sq`.
  case pyTorch = "pytorch"
}
