/// A vector that a pass over elements reads, and perhaps writes. A kernel takes its operands in the
/// order of their list.
struct Operand: Hashable {
  enum Name: Hashable {
    case parameters, gradients
    /// By its place among the rule's states.
    case state(Int)
    /// Of earlier gradients: ``Optimizer/accumulate(_:)``.
    case sum
    /// Of the parameters: ``Optimizer/averaging``.
    case average
  }

  let name: Name
  let isWritten: Bool
  let element = ElementType.float32

  /// Bytes that a pass moves for each element.
  var bytesPerElement: Int { element.size * (isWritten ? 2 : 1) }

  /// The operands of an update, in the order of its kernels.
  ///
  /// - Parameters:
  ///   - states: how many the rule has.
  ///   - zeroes: whether the gradient is 0 afterwards.
  static func ofUpdate(
    states: Int, zeroes: Bool = false, accumulates: Bool = false, averages: Bool = false
  ) -> [Operand] {
    var list = [
      Operand(name: .parameters, isWritten: true), Operand(name: .gradients, isWritten: zeroes),
    ]
    list += (0..<states).map { Operand(name: .state($0), isWritten: true) }
    if accumulates { list.append(Operand(name: .sum, isWritten: false)) }
    if averages { list.append(Operand(name: .average, isWritten: true)) }
    return list
  }
}

/// What the elements of a vector in memory are. Rules compute in Float whatever they are.
enum ElementType: Hashable {
  case float32

  /// Bytes.
  var size: Int { MemoryLayout<Float>.size }
}

extension UpdateRule {
  /// Bytes that a step moves for each element: each operand is read once and perhaps written.
  package var bytesPerElement: Int {
    Operand.ofUpdate(states: states.count).reduce(0) { $0 + $1.bytesPerElement }
  }
}
