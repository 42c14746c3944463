import Descent

extension ParameterLayout {
  /// Tensors `t0`, `t1` and so on of these sizes, each in the group that its number has.
  package init(
    sizes: [Int], alignment: Int = 4, group: (Int) -> String = { _ in ParameterGroup.defaultName }
  ) throws {
    try self.init(alignment: alignment)
    for (index, size) in sizes.enumerated() {
      try append("t\(index)", shape: [size], group: group(index))
    }
  }

  /// Sizes below, at and beyond those of lanes, blocks and tiles, one of them 0.
  package static let mixedSizes = [3, 0, 700, 33, 70_000, 1]

  /// Tensors of ``mixedSizes``, by turns in the groups `even` and `odd`.
  package static func evenAndOdd(alignment: Int = 4) throws -> ParameterLayout {
    try ParameterLayout(sizes: mixedSizes, alignment: alignment, group: evenOrOdd)
  }

  /// `even` or `odd`, as the number is.
  package static func evenOrOdd(_ index: Int) -> String { index.isMultiple(of: 2) ? "even" : "odd" }
}
