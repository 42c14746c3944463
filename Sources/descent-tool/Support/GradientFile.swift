import Descent
import Safetensors

/// Gradients of several steps in a safetensors file: for each tensor of a layout one whose shape
/// has the number of steps in front.
struct GradientFile {
  let count: Int
  private let reader: SafetensorsReader
  private let layout: ParameterLayout

  /// Throws ``CheckpointError`` if the file does not go with the layout.
  init(_ path: String, _ layout: ParameterLayout) throws {
    (reader, self.layout) = (try SafetensorsReader(path), layout)
    var count: Int?
    for tensor in layout.tensors {
      guard let found = reader[tensor.name] else {
        throw CheckpointError.tensor(name: tensor.name, reason: "it is missing in \(path)")
      }
      let steps = count ?? found.shape.first ?? 0
      guard found.shape == [steps] + tensor.shape, found.type == .float32 else {
        throw CheckpointError.tensor(
          name: tensor.name,
          reason: "the shape \(found.shape) in \(path); expected is F32 of [\(steps)] + "
            + "\(tensor.shape)")
      }
      count = steps
    }
    self.count = count ?? 0
    // Without elements no byte of the file belongs to a step, so its shape may have any number of
    // steps.
    if layout.elementCount == 0 && self.count > 0 {
      throw CheckpointError.interchange(
        "\(path): \(self.count) steps for tensors without elements; allowed is 0")
    }
    try reader.verify()
  }

  /// The gradients of a step, counted from 0.
  func read(_ step: Int, into gradients: inout [Float]) throws {
    try gradients.withUnsafeMutableBufferPointer { gradients in
      for tensor in layout.tensors {
        let start = step * tensor.count
        try reader.file(of: tensor.name).read(
          tensor.name, elements: start..<start + tensor.count,
          into: UnsafeMutableBufferPointer(rebasing: gradients[tensor.range]))
      }
    }
  }
}
