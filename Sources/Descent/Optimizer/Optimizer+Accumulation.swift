#if OpenCL
public import OpenCLHost
#endif

/// Gradients of several batches, summed up for one step.
///
/// ```swift
/// try optimizer.accumulate(first)
/// try optimizer.accumulate(second)
/// try optimizer.step(&parameters, gradients: third, gradientScale: 1 / 3)
/// ```
///
/// A step adds its own gradient to the sum of those accumulated before, in its own pass, and takes
/// ((g₁ + g₂) + …) + gₙ for the gradient: it scales, clips, looks at and skips the sum as it would one
/// gradient, and ends it, also where it is skipped. The order of additions is fixed, so every engine has
/// the same bits. All gradients of a sum have the same loss scale, which only a step moves.
///
/// The sum is one more vector beside the states, made by the first call. A gradient that begins it costs
/// 8 bytes for each element, each further one 12, and the step 4 more, or 8 where it looks at its gradient
/// first; zeroing a gradient behind it adds 4.
extension Optimizer {
  /// Adds gradients to the sum that the coming step takes along.
  ///
  /// - Parameter gradients: `layout.count` elements, tensor after tensor.
  /// - Throws: ``DescentError`` before anything is touched. If the device fails, `OpenCLError`; all that was
  ///   accumulated is dropped. After a failure of what was enqueued already, the optimizer refuses to
  ///   go on until it is reset or a state is restored.
  public func accumulate(_ gradients: [Float]) throws {
    try gradients.withUnsafeBufferPointer { try accumulate($0) }
  }

  /// The same, and leaves every gradient 0.
  public func accumulate(zeroing gradients: inout [Float]) throws {
    try gradients.withUnsafeMutableBufferPointer { try accumulate(zeroing: $0) }
  }

  /// The same for memory that a span lends.
  public func accumulate(_ gradients: Span<Float>) throws {
    try gradients.withUnsafeBufferPointer { try accumulate($0) }
  }

  /// The same for memory of any alignment.
  public func accumulate(_ gradients: UnsafeBufferPointer<Float>) throws {
    try withUnsafePointer(to: UnsafeMutableBufferPointer(mutating: gradients)) {
      try accumulate(HostPieces(start: $0, count: 1), zeroes: false)
    }
  }

  /// The same for memory of any alignment, and leaves every gradient 0.
  public func accumulate(zeroing gradients: UnsafeMutableBufferPointer<Float>) throws {
    try withUnsafePointer(to: gradients) {
      try accumulate(HostPieces(start: $0, count: 1), zeroes: true)
    }
  }

  /// The same for a vector in several pieces of memory, cut anywhere; they may overlap.
  public func accumulate(_ gradients: [UnsafeBufferPointer<Float>]) throws {
    try gradients.withUnsafeBufferPointer { gradients in
      try gradients.withMemoryRebound(to: UnsafeMutableBufferPointer<Float>.self) {
        try accumulate($0, zeroes: false)
      }
    }
  }

  /// The same for a vector in several pieces, and leaves every gradient 0. No two may overlap.
  public func accumulate(zeroing gradients: [UnsafeMutableBufferPointer<Float>]) throws {
    try gradients.withUnsafeBufferPointer { try accumulate($0, zeroes: true) }
  }

  /// The same for gradients that lie in a model: as
  /// ``step(_:gradients:gradientScale:)-(Model,Gradients,_)`` takes them. Zeros stand for an empty tensor
  /// that ``leftOut`` names.
  public func accumulate<Gradients: ParameterVisitable>(_ gradients: Gradients) throws {
    var gradients = gradients
    try TensorLoan(layout, of: "gradients", writes: false, mayBeMissing: leftOut)
      .lend(&gradients) { try accumulate($0.map { UnsafeBufferPointer($0) }) }
  }

  /// The same, and leaves every gradient 0.
  public func accumulate<Gradients: ParameterVisitable>(zeroing gradients: inout Gradients) throws {
    try TensorLoan(layout, of: "gradients", writes: true, mayBeMissing: leftOut)
      .lend(&gradients) { try accumulate(zeroing: $0) }
  }

  /// Forgets what was accumulated.
  public func dropAccumulated() { accumulatedCount = 0 }

  private func accumulate(_ gradients: HostPieces, zeroes: Bool) throws {
    try checkCount("gradients", gradients.reduce(0) { $0 + $1.count })
    try gradientsApart.check(HostPieces(start: nil, count: 0), gradients, zeroes: zeroes)
    try addingToSum { begins in
      try engine.accumulate(gradients, begins: begins, zeroes: zeroes)
    }
  }

  private func addingToSum<Result>(_ body: (_ begins: Bool) throws -> Result) throws -> Result {
    try checkStates()
    let count = accumulatedCount
    // If the engine fails in the middle, the sum is no sum any more.
    accumulatedCount = 0
    let result = try markingTornSteps { try withDefaultFloatingPoint { try body(count == 0) } }
    accumulatedCount = count + 1
    return result
  }
}

#if OpenCL
extension Optimizer {
  /// Enqueues adding gradients in device memory to the sum that the coming step takes along, and returns the
  /// event, without waiting. Otherwise as ``accumulate(_:)-([Float])`` and
  /// ``enqueueStep(_:gradients:gradientScale:zeroing:after:)-(BufferSlice<Float>,_,_,_,_)``.
  @discardableResult
  public func enqueueAccumulate(
    _ gradients: [BufferSlice<Float>], zeroing: Bool = false, after events: [Event] = []
  ) throws -> Event {
    let engine = try deviceEngine(for: "enqueueAccumulate")
    try checkCount("gradients", gradients.reduce(0) { $0 + $1.count })
    try apart.check([], gradients, zeroes: zeroing)
    try checkContext([("gradients", gradients)], engine)
    guard !zeroing || gradients.allSatisfy(\.buffer.isWritable) else {
      throw OpenCLUsageError.readOnly(what: "gradients to zero")
    }
    try engine.queue.require(events)
    return try addingToSum { begins in
      try engine.enqueueAccumulate(gradients, begins: begins, zeroes: zeroing, after: events)
    }
  }

  /// The same for one piece of memory.
  @discardableResult
  public func enqueueAccumulate(
    _ gradients: BufferSlice<Float>, zeroing: Bool = false, after events: [Event] = []
  ) throws -> Event {
    try enqueueAccumulate([gradients], zeroing: zeroing, after: events)
  }

  /// The same for a whole buffer.
  @discardableResult
  public func enqueueAccumulate(
    _ gradients: Buffer<Float>, zeroing: Bool = false, after events: [Event] = []
  ) throws -> Event {
    try enqueueAccumulate(gradients.whole, zeroing: zeroing, after: events)
  }
}
#endif
