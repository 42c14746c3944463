#if OpenCL
public import OpenCLHost

extension Optimizer {
  /// The OpenCL queue that steps run on, nil on other engines. Buffers for `enqueueStep` belong to
  /// its context.
  public var queue: CommandQueue? { (engine as? OpenCLEngine)?.queue }

  /// How many launches the last step's update took on the device: one for each piece of memory,
  /// rule and pass, whatever the number of tensors. A step that looks at its gradient first
  /// launches three more, and one for each piece of the gradient; a pass that takes sums two more
  /// for each sum, and on a GPU one for each piece. 0 before the first step and on other engines.
  public var launchesPerStep: Int { engine.launchesPerStep }

  /// The ``lossScale`` where the device keeps it, one element, 1 where there is none: for kernels
  /// that scale a loss there, so that the host waits for no step to know the scale. Its value is
  /// the one after the steps enqueued so far; in an out-of-order queue a kernel that reads it must
  /// wait for the last step's event. Its memory stays valid while the optimizer exists, and must
  /// only be read.
  ///
  /// - Throws: ``DescentError/unsupported(_:)`` on an engine without a device; `OpenCLError`.
  public var deviceLossScale: BufferSlice<Float> {
    get throws { try deviceEngine(for: "deviceLossScale").lossScaleOnDevice() }
  }

  /// Enqueues a step over device memory and returns its event, without waiting.
  ///
  /// Does not wait for the device, but where 32 steps are in flight that may be skipped or that
  /// have several groups, and at the first step after skipping or clipping was switched on or off.
  /// With parameters of 16 bits it also waits, for `events` too, where a state or an average begins
  /// as a copy of them.
  ///
  /// A step that cannot be skipped counts as taken. If its event fails, the next call that needs
  /// the states throws the event's error, and the optimizer refuses to go on until it is reset or a
  /// state is restored.
  ///
  /// Vectors may be in several buffers, tensor after tensor or cut anywhere, gradients otherwise
  /// than parameters. There is a launch for every piece, rule and pass, without a host wait between
  /// them, and the event is the last one's.
  ///
  /// - Parameters:
  ///   - parameters: `layout.count` elements of the type that ``storage`` says, in the context of
  ///     ``queue``.
  ///   - gradients: as many, in the same order, of any ``VectorElement``. No piece of the
  ///     parameters may overlap another piece of either vector. The first step with gradients of a
  ///     type builds programs for it.
  ///   - gradientScale: a factor on every gradient.
  ///   - zeroing: whether the gradients are 0 after the step, also after one that was skipped; then
  ///     no two of their pieces may overlap.
  ///   - events: what the step waits for, beyond what is in ``queue`` already; in an adopted queue
  ///     that is out of order, beyond the optimizer's own steps.
  /// - Throws: ``DescentError`` before anything is changed, also on an engine without a device and
  ///   for a buffer of another context or one that kernels may not write. `OpenCLUsageError` for an
  ///   event of another context, `OpenCLError` if the device refuses or for an event that has
  ///   failed already.
  @discardableResult
  public func enqueueStep(
    _ parameters: some DeviceVector, gradients: some DeviceVector, gradientScale: Double = 1,
    zeroing: Bool = false, after events: [Event] = []
  ) throws -> Event {
    let engine = try deviceEngine(for: "enqueueStep")
    let parameters = try DeviceMemory(parameters).slices(
      of: "parameters", as: storage.parameterType)
    let gradients = try DeviceMemory(gradients).slices(of: "gradients")
    try checkCount("parameters", parameters.reduce(0) { $0 + $1.count })
    try checkCount("gradients", gradients.reduce(0) { $0 + $1.count })
    try apart.check(parameters, gradients, zeroes: zeroing)
    try checkContext("parameters", parameters, engine)
    try checkContext("gradients", gradients, engine)
    try checkWritable("parameters", parameters)
    if zeroing { try checkWritable("gradients to zero", gradients) }
    try engine.queue.require(events)
    return try take(gradientScale, zeroes: zeroing) { input in
      try engine.enqueue(parameters, gradients, input, after: events)
    }
  }

  func deviceEngine(for call: String) throws(DescentError) -> OpenCLEngine {
    guard let engine = engine as? OpenCLEngine else {
      throw .unsupported(
        "\(call) needs an optimizer on an OpenCL device; this one runs on \(engineName)")
    }
    return engine
  }

  func checkContext(
    _ what: String, _ slices: [DeviceSlice], _ engine: OpenCLEngine
  ) throws(DescentError) {
    for slice in slices where slice.buffer.context.rawHandle != engine.queue.context.rawHandle {
      throw .value(
        of: "the memory of \(what)", given: "in another context",
        allowed: "the context of the optimizer's queue")
    }
  }

  func checkWritable(_ what: String, _ slices: [DeviceSlice]) throws(DescentError) {
    guard slices.allSatisfy(\.buffer.isWritable) else {
      throw .value(
        of: "the memory of \(what)", given: "read-only for kernels", allowed: "CL_MEM_READ_WRITE")
    }
  }
}
#endif
