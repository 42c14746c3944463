import Descent
import Training

extension Figure {
  /// The steps of AdamW and LAMB relative to the lengths of tensors.
  static let lengthsByTensor = Figure(name: "lengths-by-tensor") {
    try LengthsByTensor(on: $0).result
  }
}

/// One step of AdamW and LAMB over tensors whose numbers differ in size, as those of layers
/// do, with gradients of one size.
struct LengthsByTensor {
  static let rate = 0.01
  static let sizes = [0.001, 0.01, 0.1, 1, 10]
  static let weightCount = 256
  static let rules: [any UpdateRule] = [
    AdamW(learningRate: rate, weightDecay: 0), LAMB(learningRate: rate, weightDecay: 0),
  ]

  /// By rule and tensor: ‖Δx‖/‖x‖.
  let ratios: [[Double]]
  let digest: Digest

  init(on engine: EngineChoice) throws {
    var layout = ParameterLayout()
    for size in Self.sizes { try layout.append("\(size)", shape: [Self.weightCount]) }
    var generator = SplitMix64(seed: 1)
    let start = Self.sizes.flatMap { size in
      (0..<Self.weightCount).map { _ in Float(size * generator.normal()) }
    }
    let gradients = start.map { _ in Float(generator.normal()) }
    var (ratios, digests): ([[Double]], [Digest]) = ([], [])
    for rule in Self.rules {
      let optimizer = try Optimizer(rule, layout: layout, on: engine)
      var x = start
      try optimizer.step(&x, gradients: gradients)
      digests.append(Digest(x))
      ratios.append(
        layout.tensors.map { tensor in
          let moved = zip(x[tensor.range], start[tensor.range]).map { Double($0) - Double($1) }
          return Self.length(moved) / Self.length(start[tensor.range].map(Double.init))
        })
    }
    (self.ratios, digest) = (ratios, Digest(digests))
  }

  private static func length(_ values: [Double]) -> Double {
    values.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }
}

extension LengthsByTensor {
  var result: FigureResult {
    let (adam, lamb) = (ratios[0], ratios[1])
    let caption = """
      A first step at a rate of 0.01 over five tensors with numbers of size 0.001 to 10: AdamW's \
      is \(short(adam[0])) times as long as the smallest tensor and \(short(adam[4])) of the \
      largest. LAMB multiplies each tensor's step by the ratio of both lengths, so every tensor \
      moves by \(short(lamb[0])) of its own length: between them the ratios differ by a factor \
      of \(short(adam[0] / adam[4])).
      """
    return FigureResult(
      svg: sheet(caption).svg(), caption: caption,
      measured: zip(["adamw", "lamb"], ratios).flatMap { name, ratios in
        [("\(name) shortest", ratios.min() ?? .nan), ("\(name) longest", ratios.max() ?? .nan)]
      }, digest: digest)
  }

  private func sheet(_ caption: String) -> PanelSheet {
    let curves = zip(Self.rules, ratios).enumerated().map { index, pair in
      Panel.Curve(
        name: type(of: pair.0).title,
        points: zip(Self.sizes, pair.1).map { .init(x: $0, y: $1) }, series: index)
    }
    return PanelSheet(
      title: "LAMB moves every tensor by the same part of its length", description: caption,
      rows: [
        [
          .curves(
            heading: "The first step, relative to the tensor",
            x: .init(label: "size of a tensor's numbers", range: 0.001...10, kind: .logarithmic),
            y: .init(label: "‖Δx‖ / ‖x‖", range: 5e-4...20, kind: .logarithmic), curves)
        ]
      ])
  }
}
