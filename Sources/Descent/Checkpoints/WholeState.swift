/// The layout of a whole model's state as one array: that of the parameters or, for a state of
/// another shape, one tensor after another without gaps.
struct WholeState {
  /// Elements of the array.
  let count: Int
  /// By tensor: its part, and what it has a number for; nil where its rule has no such state.
  let parts: [(range: Range<Int>, shape: StateShape)?]

  /// - Parameter shape: a tensor's shape of the state; nil where it has none.
  init(_ layout: ParameterLayout, shape: (ParameterLayout.Tensor) -> StateShape?) {
    let shapes = layout.tensors.map(shape)
    if shapes.allSatisfy({ $0 == nil || $0 == .parameter }) {
      count = layout.count
      parts = zip(layout.tensors, shapes).map { tensor, shape in
        shape.map { (tensor.range, $0) }
      }
      return
    }
    var end = 0
    parts = zip(layout.tensors, shapes).map { tensor, shape in
      guard let shape else { return nil }
      let start = end
      end += shape.count(of: tensor.shape)
      return (start..<end, shape)
    }
    count = end
  }
}

extension StateShape {
  /// The sizes of a state of a tensor in a file.
  func sizes(of shape: [Int]) -> [Int] {
    if self == .parameter { return shape }
    if shape.contains(0) { return [0] }
    return switch self {
    case .parameter: shape
    case .rows: Array(shape.dropLast())
    case .columns: [shape.last ?? 1]
    case .tensor, .model: []
    }
  }
}

extension UpdateRule {
  /// What the rule has a number of a state for; nil for a state that it has not. An average of the
  /// parameters and what their storage keeps of them have their shape.
  func shape(ofState name: String) -> StateShape? {
    if let own = states.first(where: { $0.name == name }) { return own.isSaved ? own.shape : nil }
    let others = [Optimizer.averageName] + Storage.Companion.all.map(\.name)
    return others.contains(name) ? .parameter : nil
  }
}
