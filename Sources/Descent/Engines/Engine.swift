/// What runs a rule over a whole vector, and keeps the rule's states while it does.
protocol Engine: AnyObject {
  /// What runs, for people: `cpu (avx512, 2 threads)`.
  var name: String { get }

  /// Launches on a device that the last step took; 0 where there is no device.
  var launchesPerStep: Int { get }

  /// One step over host memory, in pieces that together have the states' length. An engine that
  /// fails after it has begun to write throws ``TornStep``.
  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) throws

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

/// A vector in host memory, piece after piece.
typealias HostPieces = UnsafeBufferPointer<UnsafeMutableBufferPointer<Float>>

extension Engine {
  var launchesPerStep: Int { 0 }
  func checkEnqueued() throws {}
  func forgetEnqueued() {}
}

/// An engine's step that failed after the first write.
struct TornStep: Error {
  let underlying: any Error
}
