import Descent

/// One claim of the classical story, run on the real kernels, measured and drawn.
package struct Figure: Sendable {
  /// The file's name without its ending, and the name on the command line.
  package let name: String
  private let experiment: @Sendable (EngineChoice, _ digits: String) throws -> FigureResult

  init(name: String, make: @escaping @Sendable (EngineChoice) throws -> FigureResult) {
    self.init(name: name, makeFromData: { engine, _ in try make(engine) })
  }

  /// A figure over the digits, whose file's path it is given.
  init(
    name: String,
    makeFromData make: @escaping @Sendable (EngineChoice, String) throws -> FigureResult
  ) {
    (self.name, experiment) = (name, make)
  }

  /// Runs the experiment on an engine.
  package func make(_ engine: EngineChoice, digits: String = Digits.path) throws -> FigureResult {
    try experiment(engine, digits)
  }

  /// Every figure, in the order in which the guide tells the story.
  package static let all: [Figure] = [
    .convexOrNot, .saddle, .ravine, .twoForms, .vectorsOfAStep, .overshoot,
    .ratesPerWeight, .dyingRates, .noRate, .biasCorrection, .rateTooLarge, .realData,
  ]
}

/// What an experiment found.
package struct FigureResult: Sendable {
  /// The picture. Its title is the figure's one message, its description the caption.
  package var svg: String
  /// A sentence or two that state the measured numbers.
  package var caption: String
  /// The numbers by name, in the order of the caption. A test holds each to its claim.
  package var measured: [(name: String, value: Double)]
  /// Of everything that the engine computed: the same on every engine.
  package var digest: Digest

  /// The number of that name; NaN if there is none.
  subscript(name: String) -> Double {
    measured.first { $0.name == name }?.value ?? .nan
  }
}
