/// What runs a rule over a whole vector, and keeps the rule's states while it does.
protocol Engine: AnyObject {
  /// What runs, for people: `cpu (avx512, 2 threads)`.
  var name: String { get }

  /// One step over host memory. The lengths are those of the states. An engine that fails after it
  /// has begun to write throws ``TornStep``.
  func update(
    _ parameters: UnsafeMutableBufferPointer<Float>, _ gradients: UnsafeBufferPointer<Float>,
    _ step: StepInput) throws

  /// Throws ``TornStep`` if a step that was only enqueued has failed since.
  func checkEnqueued() throws

  /// Waits for enqueued steps, whatever became of them: the states are about to be replaced.
  func forgetEnqueued()

  /// Copies elements of a state to `destination`.
  func readState(_ index: Int, _ range: Range<Int>, into destination: UnsafeMutablePointer<Float>)
    throws

  /// Copies elements of a state from `source`.
  func writeState(_ index: Int, _ range: Range<Int>, from source: UnsafePointer<Float>) throws
}

extension Engine {
  func checkEnqueued() throws {}
  func forgetEnqueued() {}
}

/// What a step has besides the vectors.
struct StepInput {
  let rule: any UpdateRule
  /// From 1.
  let step: Int
  let gradientScale: Double

  /// Calls `body` with the preparation and the rule's scalars as kernels take them.
  func withScalars<Result>(
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try Self.withScalars(of: rule, step, gradientScale, body)
  }

  private static func withScalars<Rule: UpdateRule, Result>(
    of rule: Rule, _ step: Int, _ gradientScale: Double,
    _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    let preparation = Preparation<Float>(rule, gradientScale: gradientScale)
    let scalars = rule.scalars(at: step)
    return try withUnsafeBytes(of: preparation) { preparation in
      try withUnsafeBytes(of: scalars) { scalars in try body(preparation, scalars) }
    }
  }
}

/// An engine's step that failed after the first write.
struct TornStep: Error {
  let underlying: any Error
}
