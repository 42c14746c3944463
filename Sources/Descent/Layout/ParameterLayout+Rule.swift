extension UpdateRule {
  /// A shape of so many elements that the rule takes: a vector, or of a rule for matrices the matrix
  /// whose sides are as near to each other as can be.
  package func shape(ofCount count: Int) -> [Int] {
    guard needsMatrices else { return [count] }
    var rows = Int(Double(count).squareRoot()) + 1
    while rows > 1 && (count == 0 || !count.isMultiple(of: rows) || rows * rows > count) {
      rows -= 1
    }
    return [rows, count / rows]
  }
}

extension ParameterLayout {
  /// One tensor of `count` elements, named `parameters`, in a shape that the rule takes.
  package init(count: Int, for rule: any UpdateRule) throws(DescentError) {
    self.init()
    try append("parameters", shape: rule.shape(ofCount: count))
  }
}
