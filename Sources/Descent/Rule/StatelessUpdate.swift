extension UpdateRule {
  /// One step over memory that the caller owns, on the calling thread: for trainers that keep their
  /// own moments. Allocates nothing that outlives the call.
  ///
  /// Elements are independent, so a caller may split the vectors among threads at will without
  /// changing a bit.
  ///
  /// - Parameters:
  ///   - parameters: updated in place; any alignment.
  ///   - gradients: as many as parameters.
  ///   - states: one vector for each of ``stateNames``, as long as the parameters; before the first
  ///     step filled with ``initialValue(ofState:)``. No two of all these vectors may overlap.
  ///   - step: the number of this step, from 1 to ``OptimizerStatus/maximumStepCount``.
  ///   - gradientScale: what every gradient is multiplied by first: one over a loss scale or over a
  ///     number of accumulated batches.
  /// - Throws: ``DescentError``, before anything is touched.
  public func update(
    parameters: UnsafeMutableBufferPointer<Float>, gradients: UnsafeBufferPointer<Float>,
    states: [UnsafeMutableBufferPointer<Float>], step: Int, gradientScale: Double = 1
  ) throws {
    try check(
      parameters.count, gradients, states, written: parameters, read: [], step, gradientScale)
    let update = try HostKernels(.best).update(CompiledRule(kernel))
    guard let x = parameters.baseAddress, let g = gradients.baseAddress else { return }
    withDefaultFloatingPoint {
      withScalars(at: step, gradientScale: gradientScale) { preparation, scalars in
        states.map(\.baseAddress).withUnsafeBufferPointer { pointers in
          update(
            x, g, pointers.baseAddress, parameters.count, preparation.baseAddress,
            scalars.baseAddress)
        }
      }
    }
  }

  /// What the same step would change, for trainers that take deltas and apply them themselves: the
  /// parameters are read alone, the states move on, and
  ///
  ///     delta = (new parameter) − (old parameter)
  ///
  /// of the Floats that ``update(parameters:gradients:states:step:gradientScale:)`` has and leaves, rounded
  /// once. Where one is no more than twice the other that difference is exact, and adding it gives the new
  /// parameter's bits; elsewhere the sum may be a rounding away. Allocates nothing that outlives the call.
  ///
  /// - Parameters:
  ///   - parameters: not changed; any alignment.
  ///   - gradients: as many as parameters.
  ///   - states: as in `update`.
  ///   - deltas: as many as parameters; whatever they hold is replaced. Neither they nor a state
  ///     may overlap another vector; parameters and gradients, which are only read, may be the
  ///     same.
  ///   - step: the number of this step, from 1 to ``OptimizerStatus/maximumStepCount``.
  ///   - gradientScale: what every gradient is multiplied by first.
  /// - Throws: ``DescentError``, before anything is touched.
  public func delta(
    parameters: UnsafeBufferPointer<Float>, gradients: UnsafeBufferPointer<Float>,
    states: [UnsafeMutableBufferPointer<Float>], into deltas: UnsafeMutableBufferPointer<Float>,
    step: Int, gradientScale: Double = 1
  ) throws {
    guard deltas.count == parameters.count else {
      throw DescentError.count(of: "deltas", given: deltas.count, expected: parameters.count)
    }
    try check(
      parameters.count, gradients, states, written: deltas, read: [parameters], step, gradientScale)
    let kernels = try HostKernels(.best)
    let update = try kernels.update(CompiledRule(kernel))
    guard let x = parameters.baseAddress, let g = gradients.baseAddress else { return }
    withDefaultFloatingPoint {
      withScalars(at: step, gradientScale: gradientScale) { preparation, scalars in
        states.map(\.baseAddress).withUnsafeBufferPointer { pointers in
          kernels.delta(
            update, deltas.baseAddress, x, g, pointers.baseAddress, Int32(states.count),
            parameters.count, preparation.baseAddress, scalars.baseAddress)
        }
      }
    }
  }

  private func check(
    _ count: Int, _ gradients: UnsafeBufferPointer<Float>,
    _ states: [UnsafeMutableBufferPointer<Float>], written: UnsafeMutableBufferPointer<Float>,
    read: [UnsafeBufferPointer<Float>], _ step: Int, _ gradientScale: Double
  ) throws {
    try validate()
    try checkCounts(count, gradients.count, states.map(\.count), step: step)
    try checkScale(gradientScale)
    let pieces =
      (read + [gradients]).map { (UnsafeRawBufferPointer($0), isWritten: false) }
      + (states + [written]).map { (UnsafeRawBufferPointer($0), isWritten: true) }
    try checkApart(
      pieces.filter { !$0.0.isEmpty }.map { ($0.0.start..<$0.0.end, isWritten: $0.isWritten) })
  }

  /// ``delta(parameters:gradients:states:into:step:gradientScale:)`` over arrays.
  public func delta(
    _ parameters: [Float], gradients: [Float], states: inout [[Float]], into deltas: inout [Float],
    step: Int, gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { gradients in
        try deltas.withUnsafeMutableBufferPointer { deltas in
          try lending(&states) { states in
            try delta(
              parameters: parameters, gradients: gradients, states: states, into: deltas,
              step: step, gradientScale: gradientScale)
          }
        }
      }
    }
  }

  /// ``update(parameters:gradients:states:step:gradientScale:)`` over arrays.
  public func update(
    _ parameters: inout [Float], gradients: [Float], states: inout [[Float]], step: Int,
    gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeMutableBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { gradients in
        try lending(&states) { states in
          try update(
            parameters: parameters, gradients: gradients, states: states, step: step,
            gradientScale: gradientScale)
        }
      }
    }
  }
}
