import DescentTestSupport
import Foundation
import Testing

@testable import Descent

/// Checkpoints of parameters in pieces of memory, or in a model.
@Suite struct CheckpointPiecesTests {
  private struct Model: ParameterVisitable, Equatable {
    var weight: [Float]
    var bias: [Float]
    var scale: Float

    mutating func visitParameters(_ visitor: inout ParameterVisitor) {
      visitor.visit("weight", &weight, shape: [3, 4])
      visitor.visit("bias", &bias)
      visitor.visit("scale", &scale)
    }
  }

  private static let model = Model(
    weight: (0..<12).map { Float($0) + 0.5 }, bias: [-1, -2, -3], scale: 9)
  private static let zero = Model(
    weight: [Float](repeating: 0, count: 12), bias: [0, 0, 0], scale: 0)

  @Test("a model is saved and loaded as its vector is", arguments: [4, 64])
  func models(_ alignment: Int) throws {
    try withTemporaryFolder { folder in
      let (path, flat) = (folder + "/model.safetensors", folder + "/flat.safetensors")
      var model = Self.model
      let optimizer = try Optimizer(
        Adam(), layout: ParameterLayout(of: model, alignment: alignment), on: .cpu)
      try optimizer.step(&model, gradients: Self.model)
      try optimizer.save(to: path, parameters: model, metadata: ["epoch": "1"])
      var parameters = [Float](repeating: 0, count: optimizer.layout.count)
      for (tensor, values) in zip(
        optimizer.layout.tensors, [model.weight, model.bias, [model.scale]])
      {
        parameters.replaceSubrange(tensor.range, with: values)
      }
      try optimizer.save(to: flat, parameters: parameters, metadata: ["epoch": "1"])
      #expect(
        try Data(contentsOf: URL(filePath: path)) == Data(contentsOf: URL(filePath: flat)))

      var twin = Self.zero
      try Optimizer(Adam(), layout: optimizer.layout, on: .cpu).load(from: path, parameters: &twin)
      #expect(twin == model)
      // Another model keeps what it has, and its tensors are named.
      var other = Self.zero
      other.bias = [7]
      let before = other
      #expect(throws: DescentError.self) { try optimizer.load(from: path, parameters: &other) }
      #expect(throws: DescentError.self) { try optimizer.save(to: flat, parameters: other) }
      #expect(other == before)
    }
  }

  @Test("pieces may be cut anywhere, and must be as long as the layout")
  func cut() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/run.safetensors"
      let layout = try SmallModel.layout()
      let optimizer = try Optimizer(Momentum(), layout: layout, on: .cpu)
      var values = SmallModel.steps.parameters
      for cuts in [[], [0], [1], [layout.count], [5, 5, 133, 150], [132, 152, 153, 210]] {
        let ends = cuts + [layout.count]
        try values.withUnsafeMutableBufferPointer { values in
          var pieces = zip([0] + cuts, ends).map {
            UnsafeMutableBufferPointer(rebasing: values[$0..<$1])
          }
          let start = Array(values)
          try optimizer.save(to: path, parameters: pieces.map { UnsafeBufferPointer($0) })
          values.update(repeating: 0)
          try optimizer.load(from: Checkpoint(path), parameters: &pieces)
          #expect(bits(Array(values)) == bits(start))
          var short = Array(pieces.dropLast())
          let error = DescentError.count(
            of: "parameters", given: short.reduce(0) { $0 + $1.count }, expected: layout.count)
          if short.reduce(0, { $0 + $1.count }) < layout.count {
            #expect(throws: error) {
              try optimizer.save(to: path, parameters: short.map { UnsafeBufferPointer($0) })
            }
            #expect(throws: error) { try optimizer.load(from: path, parameters: &short) }
          }
        }
      }
    }
  }
}
