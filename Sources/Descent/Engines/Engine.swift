import Logging

/// What runs a rule over a whole vector, and keeps the rule's states while it does.
protocol Engine: AnyObject {
  /// What runs, for people: `cpu (avx512, 2 threads)`.
  var name: String { get }

  /// Launches on a device that the last step took; 0 where there is no device.
  var launchesPerStep: Int { get }

  /// One step over host memory, in pieces that together have the states' length. An engine that
  /// fails after it has begun to write throws ``TornStep``.
  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) throws

  /// Adds a gradient to the accumulated sum for the next step, or with `begins` starts that sum
  /// with it; with `zeroes` the gradient is 0 afterwards. If it throws, the sum is lost.
  func accumulate(_ gradients: HostPieces, begins: Bool, zeroes: Bool) throws

  /// Gives up the average of the parameters.
  func dropAverage()

  /// Steps that were decided since the last call; with `wait`, all that were enqueued. Steps whose
  /// control does not read gradients are not among them.
  func collect(wait: Bool) throws -> DecidedSteps

  /// The number of enqueued steps that ``collect(wait:)`` has not returned yet.
  var stepsInFlight: Int { get }

  /// Sets the loss scale from the next step on, 1 where there is none.
  func setLossScale(_ scale: LossScale?) throws

  /// The latest step that was decided. Waits for it.
  func lastDecision() throws -> StepDecision

  /// The latest decision that is known. Waits for nothing.
  func lastHeard() -> StepDecision

  /// Sets the logger for messages about programs.
  func log(to logger: Logger?)

  /// Throws ``TornStep`` if a step that was only enqueued has failed since.
  func checkEnqueued() throws

  /// Waits for enqueued steps and ignores failures: the states are about to be replaced.
  func forgetEnqueued()

  /// Copies elements of a vector, counted from its own first, to memory of the vector's type.
  func read(_ vector: StateVector, _ range: Range<Int>, into destination: ElementPointer) throws

  /// Copies elements of a vector, counted from its own first, from memory of the vector's type.
  func write(_ vector: StateVector, _ range: Range<Int>, from source: ElementPointer) throws
}

/// What became of steps that were decided by looking at their gradients.
struct DecidedSteps {
  var applied = 0
  var skipped = 0
}

/// An engine's step that failed after the first write.
struct TornStep: Error {
  let underlying: any Error
}
