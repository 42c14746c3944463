import Descent

/// A trajectory of another library, replayed.
struct Replay {
  let item: GoldenCase
  private let rule: any UpdateRule
  private let start: [Double]
  private let gradient: (Int, [Double]) -> [Double]

  /// - Parameter rule: the case's own, unless another is to run its steps.
  init(_ item: GoldenCase, of goldens: Goldens, as rule: (any UpdateRule)? = nil) throws {
    self.item = item
    self.rule = try rule ?? item.rule()
    (start, gradient) = try goldens.problem(of: item)
  }

  /// Parameters at every checkpoint, and the states at the end.
  struct Path<T> {
    var checkpoints: [[T]] = []
    var finalStates: [String: [T]] = [:]
  }

  /// Run by the reference in `Double`.
  func inDouble() throws -> Path<Double> {
    try inDouble(rule)
  }

  private func inDouble(_ rule: some UpdateRule) throws -> Path<Double> {
    var (rule, x, path) = (rule, start, Path<Double>())
    var states = rule.stateNames.map { name in
      [Double](repeating: rule.initialValue(ofState: name), count: x.count)
    }
    for step in 1...item.steps {
      rule.learningRate = item.learningRate(step)
      try rule.referenceUpdate(&x, gradients: gradient(step, x), states: &states, step: step)
      if item.checkpoints.contains(step) { path.checkpoints.append(x) }
    }
    for (name, state) in zip(rule.stateNames, states) { path.finalStates[name] = state }
    return path
  }

  /// Run by an engine.
  func inFloat(on choice: EngineChoice) throws -> Path<Float> {
    let optimizer = try Optimizer(rule, layout: ParameterLayout(count: start.count), on: choice)
    var (x, path) = (start.map { Float($0) }, Path<Float>())
    for step in 1...item.steps {
      optimizer.learningRate = item.learningRate(step)
      let g = gradient(step, x.map { Double($0) }).map { Float($0) }
      try optimizer.step(&x, gradients: g)
      if item.checkpoints.contains(step) { path.checkpoints.append(x) }
    }
    path.finalStates = try optimizer.states()
    return path
  }

  private var peaks: [Double] { numbers(item.peakMagnitudes) }

  /// The worst distance of the reference in `Double` from the library's, relative to the peak of each
  /// element's path.
  func truthError() throws -> Double {
    var worst = 0.0
    for (x, text) in zip(try inDouble().checkpoints, item.float64Parameters) {
      for ((value, truth), peak) in zip(zip(x, numbers(text)), peaks) where value != truth {
        worst = max(worst, abs(value - truth) / peak)
      }
    }
    return worst
  }

  /// What `truthError` may be.
  var truthBound: Double { max(item.truthError, 1e-11) }

  /// An engine's distance from the `Double` truth at a checkpoint, in ulp of the path's peak, and what
  /// it may be: 2t + 8.
  struct PathError {
    let step: Int
    let ulps: Double
    var bound: Double { Double(2 * step + 8) }
    var isWithinBound: Bool { ulps <= bound }
  }

  func pathErrors(_ path: Path<Float>) -> [PathError] {
    zip(item.checkpoints, zip(path.checkpoints, item.float64Parameters)).map { step, pair in
      var worst = 0.0
      for ((value, truth), peak) in zip(zip(pair.0, numbers(pair.1)), peaks) {
        worst = max(worst, abs(Double(value) - truth) / Double(Float(peak).ulp))
      }
      return PathError(step: step, ulps: worst)
    }
  }

  /// For trajectories through ∞ and NaN: elements that are finite, infinite or NaN where the library's
  /// are not.
  func patternMismatches(_ path: Path<Float>) -> Int {
    var count = 0
    for (x, text) in zip(path.checkpoints, item.float32Parameters) {
      for (value, theirs) in zip(x, numbers(text)) {
        let same =
          value.isNaN == theirs.isNaN && value.isFinite == theirs.isFinite
          && (!value.isInfinite || (value < 0) == (theirs < 0))
        if !same { count += 1 }
      }
    }
    return count
  }
}
