/// The layout of a state shape other than the parameters' in the states of one program: one tensor
/// after another, or a single number for the model.
struct ShapeMap: Equatable {
  /// By tensor of the layout: where its numbers begin, and how many it has; 0 for those of other
  /// programs.
  private let places: [Range<Int>]
  /// How many numbers there are.
  let count: Int

  init(_ shape: StateShape, _ layout: ParameterLayout, isMember: (ParameterLayout.Tensor) -> Bool) {
    var count = 0
    places = layout.tensors.map { tensor in
      guard isMember(tensor) else { return 0..<0 }
      let own = shape.count(of: tensor.shape)
      if shape == .model { return 0..<own }
      count += own
      return count - own..<count
    }
    self.count = shape == .model ? places.map(\.count).max() ?? 0 : count
  }

  /// The numbers of a tensor, by its place in the layout.
  subscript(tensor: Int) -> Range<Int> { places[tensor] }
}

/// The numbers of other shapes for elements in one row of one tensor: the indices of the row, of
/// the first element's column, and of the tensor.
struct NumberPlace: Equatable {
  var row = 0
  var column = 0
  var tensor = 0

  /// The index of the number of a shape for the first of these elements.
  func index(of shape: StateShape) -> Int {
    switch shape {
    case .rows: row
    case .columns: column
    case .tensor: tensor
    case .model, .parameter: 0
    }
  }
}

extension StateShape {
  /// The distance of the numbers of adjacent elements in one row: 1 for columns, else they share
  /// one.
  var step: Int { self == .columns ? 1 : 0 }
}
