import Descent

extension Figure {
  /// The singular values of Muon's step before and after its iteration.
  static let singularValues = Figure(name: "singular-values") { try SingularValues(on: $0).result }
}

/// Muon's step on a diagonal gradient, whose singular values are its elements, after one to five
/// steps of its iteration.
struct SingularValues {
  static let count = 64
  static let counts = [1, 3, 5]
  /// From 1 down to 10⁻⁴, each a constant factor below the last.
  static let values: [Float] = (0..<count).map { index in
    // 10^(−1/63·4) by multiplication, so that every machine has the same.
    (0..<index).reduce(Float(1)) { value, _ in value * 0.86397 }
  }

  /// The values relative to their norm, as the iteration begins with them.
  let before: [Double]
  /// By number of steps.
  let after: [[Double]]
  let digest: Digest

  init(on engine: EngineChoice) throws {
    let norm = Self.values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    before = Self.values.map { Double($0) / norm }
    var layout = ParameterLayout()
    try layout.append("matrix", shape: [Self.count, Self.count])
    var gradients = [Float](repeating: 0, count: Self.count * Self.count)
    for (index, value) in Self.values.enumerated() { gradients[index * (Self.count + 1)] = value }
    var (after, digests): ([[Double]], [Digest]) = ([], [])
    for steps in Self.counts {
      let rule = Muon(
        learningRate: 1, momentum: 0, nesterov: false, epsilon: 0, newtonSchulzSteps: Double(steps))
      let optimizer = try Optimizer(rule, layout: layout, on: engine)
      var x = [Float](repeating: 0, count: gradients.count)
      try optimizer.step(&x, gradients: gradients)
      after.append((0..<Self.count).map { -Double(x[$0 * (Self.count + 1)]) })
      digests.append(Digest(x))
    }
    (self.after, digest) = (after, Digest(digests))
  }

  /// Those after five steps of which the value before is at least `least`.
  private func after(_ least: Double) -> [Double] {
    zip(before, after[after.count - 1]).filter { $0.0 >= least }.map(\.1)
  }
}

extension SingularValues {
  var result: FigureResult {
    let (large, small) = (after(0.003), after(0.0003))
    let caption = """
      A step whose singular values span four decades, relative to its norm: after five steps of \
      the iteration every one that was above 0.003 lies between \(short(large.min() ?? .nan)) \
      and \(short(large.max() ?? .nan)), and every one above 0.0003 is at least \
      \(short(small.min() ?? .nan)). The scatter around 1 is by design: the polynomial that \
      grows small values fastest does not settle.
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: [
        ("least before", before.min() ?? .nan), ("greatest before", before.max() ?? .nan),
        ("least above 0.003", large.min() ?? .nan), ("greatest above 0.003", large.max() ?? .nan),
        ("least above 0.0003", small.min() ?? .nan),
      ], digest: digest)
  }

  private func sheet(_ caption: String) -> PanelSheet {
    let curves = zip(Self.counts, after).enumerated().map { index, pair in
      Panel.Curve(
        name: pair.0 == 1 ? "1 step" : "\(pair.0) steps",
        points: zip(before, pair.1).reversed().map { .init(x: $0, y: $1) }, series: index)
    }
    return PanelSheet(
      title: "Muon brings the singular values of its step near 1", description: caption,
      rows: [
        [
          .curves(
            heading: "After so many steps of the iteration",
            x: .init(
              label: "singular value before, relative to the norm",
              range: 5e-5...(before.max() ?? 1), kind: .logarithmic),
            y: .init(label: "singular value after", range: 0...1.25), height: 220, curves)
        ]
      ])
  }
}
