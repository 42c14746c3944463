extension UpdateRule {
  /// A shape of so many elements that the rule takes: a vector, or of a rule for matrices the
  /// matrix whose sides are as near to each other as can be.
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
  /// One tensor of `count` elements, named `parameters`, in a shape that the rule takes. Many
  /// elements for a rule over matrices are several: a square one, and of very many one of several
  /// blocks and panels.
  package init(count: Int, for rule: any UpdateRule) throws(DescentError) {
    self.init()
    var rest = count
    if rule.needsMatrices && count >= 1000 {
      let side = min(40, Int(Double(count / 2).squareRoot()))
      try append("square", shape: [side, side])
      rest -= side * side
      if rest > 50_000 {
        try append("blocks", shape: [129, 260])
        rest -= 129 * 260
      }
    }
    try append("parameters", shape: rule.shape(ofCount: rest))
  }
}
