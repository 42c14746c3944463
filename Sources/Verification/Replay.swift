import Descent

/// A trajectory of another library, replayed.
package struct Replay {
  package let item: GoldenCase
  private let rule: any UpdateRule
  private let start: [Double]
  private let layout: ParameterLayout
  private let gradient: (Int, [Double]) -> [Double]
  private let peaks: [Double]

  /// - Parameter rule: the case's own, unless another is to run its steps.
  package init(_ item: GoldenCase, of goldens: Goldens, as rule: (any UpdateRule)? = nil) throws {
    self.item = item
    self.rule = try rule ?? item.rule()
    (start, gradient) = try goldens.problem(of: item)
    var layout = ParameterLayout()
    try layout.append("parameters", shape: goldens.shape(of: item))
    guard layout.count == start.count else {
      throw GoldensError(file: item.id, reason: "its shape has \(layout.count) elements")
    }
    self.layout = layout
    peaks = try numbers(item.peakMagnitudes)
    let rates = item.learningRates.count
    guard item.steps >= 1, rates == 0 || rates >= item.steps else {
      throw GoldensError(file: item.id, reason: "\(item.steps) steps and \(rates) rates")
    }
  }

  /// Parameters at every checkpoint, and the states at the end.
  package struct Path<T> {
    package var checkpoints: [[T]] = []
    package var finalStates: [String: [T]] = [:]

    package init(checkpoints: [[T]] = [], finalStates: [String: [T]] = [:]) {
      (self.checkpoints, self.finalStates) = (checkpoints, finalStates)
    }
  }

  /// Run by the reference in `Double`.
  package func inDouble() throws -> Path<Double> {
    try inDouble(rule)
  }

  private func inDouble(_ rule: some UpdateRule) throws -> Path<Double> {
    var (rule, path) = (rule, Path<Double>())
    let steps = try PlainSteps(rule, layout: layout, parameters: start)
    for step in 1...item.steps {
      rule.learningRate = item.learningRate(step)
      try steps.take(rule, gradients: gradient(step, steps.parameters))
      if item.checkpoints.contains(step) { path.checkpoints.append(steps.parameters) }
    }
    path.finalStates = steps.savedStates
    return path
  }

  /// Run by an engine.
  package func inFloat(on choice: EngineChoice) throws -> Path<Float> {
    let optimizer = try Optimizer(rule, layout: layout, on: choice)
    var (x, path) = (start.map { Float($0) }, Path<Float>())
    for step in 1...item.steps {
      optimizer.setLearningRate(item.learningRate(step))
      let g = gradient(step, x.map { Double($0) }).map { Float($0) }
      try optimizer.step(&x, gradients: g)
      if item.checkpoints.contains(step) { path.checkpoints.append(x) }
    }
    path.finalStates = try optimizer.states()
    return path
  }

  /// The worst distance of the reference in `Double` from the library's: of parameters relative to
  /// the peak of each element's path, of the states at the end as `stateError` has it.
  package func truthError() throws -> Double {
    let path = try inDouble()
    var worst = 0.0
    for (x, truth) in try pairs(path.checkpoints, item.float64Parameters) {
      for ((value, truth), peak) in zip(zip(x, truth), peaks) {
        worst = Self.worse(worst, value == truth ? 0 : abs(value - truth) / peak)
      }
    }
    for (name, texts) in item.scalars {
      guard let number = path.finalStates[name]?.first, let text = texts.last else { continue }
      let truth = try numbers(text).first ?? .nan
      worst = Self.worse(worst, abs(number - truth) / abs(truth))
    }
    return Self.worse(worst, try stateError(path.finalStates))
  }

  /// The worst distance of final states from the library's Float64, relative to the largest that
  /// each held at a checkpoint: what was large once has left its rounding behind.
  package func stateError<T: BinaryFloatingPoint>(_ states: [String: [T]]) throws -> Double {
    var worst = 0.0
    for (name, texts) in item.float64States {
      let (ours, sign) =
        switch name {
        // Keras stores minus the velocity.
        case "negb": ("b", -1.0)
        // A vector's second moments, which here are those of its columns.
        case "v" where states["v"] == nil && states["col"] != nil: ("col", 1.0)
        default: (name, 1.0)
        }
      guard let state = states[ours], let text = texts.last else {
        // A buffer that the library has and the rule has not, as m where β₁ is 0.
        continue
      }
      let truth = try numbers(text)
      guard truth.count == state.count else {
        throw GoldensError(file: item.id, reason: "state \(name) has another length")
      }
      let scale = try texts.flatMap(numbers).reduce(0) { max($0, abs($1)) }
      for (value, truth) in zip(state, truth) {
        let error = abs(Double(value) * sign - truth)
        worst = Self.worse(worst, error == 0 ? 0 : error / scale)
      }
    }
    return worst
  }

  /// What `truthError` may be.
  package var truthBound: Double { max(item.truthError, 1e-11) }

  /// What `stateError` of an engine in Float may be. Prodigy's v has the square of an estimate.
  package var stateBound: Double { item.optimizer == "prodigy" ? 1e-5 : 1e-6 }

  /// An engine's distance from the `Double` truth at a checkpoint, in ulp of the path's peak, and
  /// what it may be: 2t + 8.
  package struct PathError {
    package let step: Int
    package let ulps: Double
    package var bound: Double { Double(2 * step + 8) }
    package var isWithinBound: Bool { ulps <= bound }
  }

  /// Whether a run in Float has bounds: not where the library's Float64 run has less than 8 digits,
  /// and not for Prodigy from a first estimate of 1e-6, of which Float keeps a few digits only.
  package var hasFloatBounds: Bool {
    item.truthError <= 1e-8 && !(item.optimizer == "prodigy" && item.id.contains("/default/"))
  }

  /// - Parameter denormals: whether elements whose path stays below the normal numbers count: not
  ///   on a device that flushes them.
  package func pathErrors(_ path: Path<Float>, denormals: Bool = true) throws -> [PathError] {
    try zip(item.checkpoints, pairs(path.checkpoints, item.float64Parameters)).map { step, pair in
      var worst = 0.0
      for ((value, truth), peak) in zip(zip(pair.0, pair.1), peaks)
      where denormals || peak >= 0x1p-126 {
        worst = Self.worse(worst, abs(Double(value) - truth) / Double(Float(peak).ulp))
      }
      return PathError(step: step, ulps: worst)
    }
  }

  /// For trajectories through ∞ and NaN: elements that are finite, infinite or NaN where the
  /// library's are not.
  package func patternMismatches(_ path: Path<Float>) throws -> Int {
    var count = 0
    for (x, theirs) in try pairs(path.checkpoints, item.float32Parameters) {
      for (value, theirs) in zip(x, theirs) {
        let same =
          value.isNaN == theirs.isNaN && value.isFinite == theirs.isFinite
          && (!value.isInfinite || (value < 0) == (theirs < 0))
        if !same { count += 1 }
      }
    }
    return count
  }

  /// Our checkpoints beside the library's, which must be as many and as long.
  private func pairs<T>(_ ours: [[T]], _ texts: [String]) throws -> [([T], [Double])] {
    let theirs = try texts.map(numbers)
    let isWhole =
      ours.count == theirs.count && ours.count == item.checkpoints.count
      && zip(ours, theirs).allSatisfy { $0.count == $1.count && $0.count == peaks.count }
    guard isWhole else {
      throw GoldensError(file: item.id, reason: "its vectors' lengths do not agree")
    }
    return Array(zip(ours, theirs))
  }

  /// The larger; a NaN is the worst of all, where `max` would pass over it.
  private static func worse(_ a: Double, _ b: Double) -> Double {
    a.isNaN || b.isNaN ? .infinity : max(a, b)
  }
}
