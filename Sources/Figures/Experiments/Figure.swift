import Descent

/// A figure of the guide: an experiment on the real kernels that tests one claim about optimizers,
/// and a picture of what it measured.
package struct Figure: Sendable {
  /// The name of the file without its extension, and the name on the command line.
  package let name: String
  private let experiment: @Sendable (EngineChoice, _ digits: String) throws -> FigureResult

  init(name: String, make: @escaping @Sendable (EngineChoice) throws -> FigureResult) {
    self.init(name: name, makeFromData: { engine, _ in try make(engine) })
  }

  /// A figure that trains on the digits; `make` takes the path of their file.
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

  /// Every figure, in the order of the guide.
  package static let all: [Figure] = [
    .convexOrNot, .saddle, .ravine, .twoForms, .vectorsOfAStep, .overshoot,
    .ratesPerWeight, .dyingRates, .noRate, .biasCorrection, .rateTooLarge, .rectified,
    .signSteps, .decayNeeded, .withoutSchedule, .foundRate, .lengthsByTensor, .singularValues,
    .stateMemory, .realData,
  ]
}

/// The result of an experiment.
package struct FigureResult: Sendable {
  /// The picture. Its title is the figure's one message, and its description is the caption.
  package var svg: String
  /// A sentence or two that state the measured numbers.
  package var caption: String
  /// The measured numbers by name, in the order of the caption. Tests check the claims about them.
  package var measured: [(name: String, value: Double)]
  /// The digest of everything that the engine computed, which is the same on every engine.
  package var digest: Digest

  /// The number of that name; NaN if there is none.
  subscript(name: String) -> Double {
    measured.first { $0.name == name }?.value ?? .nan
  }
}
