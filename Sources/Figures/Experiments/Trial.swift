import Descent

/// A run of a rule on any number of weights, with one update by an engine for each step, and a
/// digest of every point that it reached.
struct Trial {
  /// The parameters that the steps update. For Nesterov they are the look-ahead point, where
  /// gradients are taken.
  private(set) var weights: [Float]
  private(set) var digest: Digest
  private let optimizer: Optimizer

  init(_ setting: TrialSetting, from start: [Float], on engine: EngineChoice) throws {
    try self.init(setting.rule, from: start, schedule: setting.schedule, on: engine)
  }

  /// - Parameter schedule: of the rate; nil keeps the rule's.
  init(
    _ rule: any UpdateRule, from start: [Float], schedule: Schedule? = nil,
    on engine: EngineChoice
  ) throws {
    optimizer = try Optimizer(
      rule, layout: ParameterLayout(count: start.count, for: rule), on: engine)
    optimizer.schedule = schedule
    weights = start
    digest = Digest(start)
  }

  mutating func step(_ gradients: [Float]) throws {
    try optimizer.step(&weights, gradients: gradients)
    digest.combine(weights)
  }

  /// Takes a step on a function whose derivative with respect to a weight depends on that weight
  /// only.
  mutating func step(derivative: (Float) -> Float) throws {
    try step(weights.map(derivative))
  }

  func state(_ name: String) throws -> [Float] { try optimizer.state(name) }

  /// The point to evaluate, which for some rules is not where gradients are taken.
  func iterate() throws -> [Float] {
    var iterate = weights
    try optimizer.writeIterate(from: weights, into: &iterate)
    return iterate
  }
}

/// A rule under a name, perhaps with a schedule of its rate.
struct TrialSetting: Sendable {
  var name: String
  var rule: any UpdateRule
  var schedule: Schedule?
}

extension Digest {
  /// One digest of several, in their order.
  init(_ digests: [Digest]) {
    self.init()
    // A float represents any sixteen bits exactly as an integer. Any thirty-two bits might be a
    // NaN, and all NaNs count as one.
    for digest in digests {
      combine([48, 32, 16, 0].map { Float(digest.value >> UInt64($0) & 0xffff) })
    }
  }
}

extension UpdateRule {
  /// The index of its colour, dashes and mark, the same in every figure.
  static var series: Int { ComparedRules.all.firstIndex { $0.name == name } ?? 0 }

  /// Its name for readers: "AdaGrad".
  static var title: String { "\(Self.self)" }
}

extension Collection<Double> {
  var mean: Double { reduce(0, +) / Double(count) }
}
