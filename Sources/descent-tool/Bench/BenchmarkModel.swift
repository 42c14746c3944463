import Descent
import Foundation
import Training

/// A model's tensors by name and shape, as files in Benchmarks/layouts list them: `{"model": …,
/// "source": …, "parameters": …, "tensors": [{"name": …, "shape": […]}, …]}`.
struct BenchmarkModel: Decodable, Sendable {
  struct Tensor: Decodable, Sendable {
    let name: String
    let shape: [Int]
  }

  let model: String
  /// How many elements all tensors have; a file that says so is held to it.
  let parameters: Int?
  let tensors: [Tensor]

  /// Throws ``BenchmarkError/layout(file:reason:)`` for what cannot be read, or is not such a file.
  init(path: String) throws {
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: URL(filePath: path)))
    } catch let error as DecodingError {
      throw BenchmarkError.layout(file: path, reason: "not a list of tensors: \(error.place)")
    } catch {
      throw BenchmarkError.layout(file: path, reason: error.systemReason)
    }
    do {
      let count = try layout().count
      if let parameters, parameters != count {
        throw BenchmarkError.layout(
          file: path, reason: "it says \(parameters) parameters, but its tensors have \(count)")
      }
    } catch let error as DescentError {
      throw BenchmarkError.layout(file: path, reason: "\(error)")
    }
  }

  /// The tensors in their order.
  ///
  /// - Parameters:
  ///   - divisor: what every tensor's first size is divided by, rounded up, so that large models
  ///     keep their shapes on small machines.
  ///   - alignment: as ``ParameterLayout/alignment``.
  ///   - groups: over how many groups the tensors are dealt out by turns, each with a rate of its
  ///     own.
  func layout(
    dividedBy divisor: Int = 1, alignment: Int = 4, groups: Int = 1
  ) throws -> ParameterLayout {
    var layout = try ParameterLayout(alignment: alignment)
    for (index, tensor) in tensors.enumerated() {
      var shape = tensor.shape
      if let first = shape.first, first > 0 { shape[0] = (first - 1) / divisor + 1 }
      let group = index % groups == 0 ? ParameterGroup.defaultName : "group \(index % groups)"
      try layout.append(tensor.name, shape: shape, group: group)
    }
    for (index, name) in layout.groupNames.enumerated() {
      try layout.setGroup(name, to: ParameterGroup(learningRateFactor: 1 / Double(index + 1)))
    }
    return layout
  }
}

extension DecodingError {
  /// Where in the document, and what is wrong there.
  fileprivate var place: String {
    let context: Context? =
      switch self {
      case .typeMismatch(_, let context), .valueNotFound(_, let context),
        .keyNotFound(_, let context), .dataCorrupted(let context):
        context
      @unknown default: nil
      }
    let path = (context?.codingPath ?? []).map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
    return (path.isEmpty ? "" : path.joined(separator: ".") + ": ")
      + (context?.debugDescription ?? "\(self)")
  }
}
