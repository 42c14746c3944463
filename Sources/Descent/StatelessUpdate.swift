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
  ///   - step: the number of this step, from 1.
  ///   - gradientScale: what every gradient is multiplied by first: one over a loss scale or over a
  ///     number of accumulated batches.
  /// - Throws: ``DescentError``, before anything is touched.
  public func update(
    parameters: UnsafeMutableBufferPointer<Float>, gradients: UnsafeBufferPointer<Float>,
    states: [UnsafeMutableBufferPointer<Float>], step: Int, gradientScale: Double = 1
  ) throws {
    try validate()
    try checkCounts(parameters.count, gradients.count, states.map(\.count), step: step)
    try checkScale(gradientScale)
    try checkOverlap(
      [UnsafeRawBufferPointer(gradients), UnsafeRawBufferPointer(parameters)]
        + states.map { UnsafeRawBufferPointer($0) })
    guard let update = try CompiledRule(kernel).update(for: .best) else { return }
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

  /// The same over arrays.
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
