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
/// ((g₁ + g₂) + …) + gₙ for the gradient: it scales, clips, tests and skips the sum like a single
/// gradient, and ends the sum even if it is skipped. The order of additions is fixed, so every
/// engine has the same bits. All gradients of a sum have the same loss scale, which only a step
/// moves.
///
/// The sum is a vector in addition to the states, made by the first call. The first gradient costs
/// 8 bytes for each element, each further one 12, and the step 4 more, or 8 if it reads its
/// gradient first; zeroing a gradient after it adds 4. Gradients of 16 bits cost half of that for
/// themselves: 6, 10, and 2 for zeroing.
extension Optimizer {
  /// Adds gradients to the sum for the coming step.
  ///
  /// - Parameter gradients: `layout.count` elements, tensor after tensor, in any memory that
  ///   ``step(_:gradients:gradientScale:)-(Parameters,_,_)`` takes gradients in. For a model's
  ///   empty tensor that ``leftOut`` names, zeros are added.
  /// - Throws: ``DescentError`` before anything is changed. If the device fails, `OpenCLError`; the
  ///   sum is dropped. After a failure of what was enqueued before, the optimizer refuses to go on
  ///   until it is reset or a state is restored.
  public func accumulate(_ gradients: borrowing some Vector & ~Copyable & ~Escapable) throws {
    try gradients.withVectorMemory(for: use(.gradients)) { try accumulate($0, zeroes: false) }
  }

  /// Adds gradients to the sum for the coming step and sets every gradient to 0. No two pieces may
  /// overlap. Otherwise as ``accumulate(_:)``.
  public func accumulate<Gradients: MutableVector & ~Copyable & ~Escapable>(
    zeroing gradients: inout Gradients
  ) throws {
    try gradients.withMutableVectorMemory(for: use(.gradients)) { try accumulate($0, zeroes: true) }
  }

  /// Adds and zeroes gradients that are passed by value: a span, an unsafe buffer or an array of
  /// these. Otherwise as ``accumulate(zeroing:)-(Gradients)``.
  public func accumulate<View: MutableVectorView & ~Copyable & ~Escapable>(
    zeroing gradients: consuming View
  ) throws {
    try accumulate(zeroing: &gradients)
  }

  /// Forgets what was accumulated.
  public func dropAccumulated() { accumulatedCount = 0 }

  private func accumulate(_ gradients: VectorMemory, zeroes: Bool) throws {
    let gradients = gradients.pieces
    try checkCount("gradients", gradients.elementCount)
    try gradientsApart.check(HostPieces.none, gradients, zeroes: zeroes)
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
  /// Enqueues adding gradients in device memory to the sum for the coming step, and returns the
  /// event without waiting. Otherwise as ``accumulate(_:)`` and
  /// ``enqueueStep(_:gradients:gradientScale:zeroing:after:)``.
  @discardableResult
  public func enqueueAccumulate(
    _ gradients: some DeviceVector, zeroing: Bool = false, after events: [Event] = []
  ) throws -> Event {
    let engine = try deviceEngine(for: "enqueueAccumulate")
    let gradients = try DeviceMemory(gradients).slices(of: "gradients")
    try checkCount("gradients", gradients.reduce(0) { $0 + $1.count })
    try apart.check([], gradients, zeroes: zeroing)
    try checkContext("gradients", gradients, engine)
    if zeroing { try checkWritable("gradients to zero", gradients) }
    try engine.queue.require(events)
    return try addingToSum { begins in
      try engine.enqueueAccumulate(gradients, begins: begins, zeroes: zeroing, after: events)
    }
  }
}
#endif
