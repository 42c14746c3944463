extension UpdateRule {
  /// One step over vectors that the caller owns, states included, on the calling thread: for
  /// trainers that keep their own moments. Allocates nothing that outlives the call.
  ///
  /// ```swift
  /// try rule.update(&parameters, gradients: gradients, states: &moments, step: 1)
  /// ```
  ///
  /// Elements are independent, so a caller may split the vectors among threads at will without
  /// changing a bit.
  ///
  /// - Parameters:
  ///   - parameters: updated in place; any ``MutableVector``.
  ///   - gradients: as many as parameters, of any ``VectorElement``. All others are of `Float`.
  ///   - states: one vector for each of ``stateNames``, as long as the parameters; before the first
  ///     step filled with ``initialState(_:parameters:)``. No two of all these vectors may overlap.
  ///   - step: the number of this step, from 1 to ``OptimizerStatus/maximumStepCount``.
  ///   - gradientScale: a factor on every gradient: one over a loss scale or over a number of
  ///     accumulated batches.
  /// - Throws: ``DescentError``, before anything is changed.
  public func update<
    Parameters: MutableVector & ~Copyable & ~Escapable, Gradients: Vector & ~Copyable & ~Escapable,
    State: MutableVector
  >(
    _ parameters: inout Parameters, gradients: borrowing Gradients, states: inout [State],
    step: Int, gradientScale: Double = 1
  ) throws {
    try parameters.withMutableVectorMemory(for: VectorUse(.parameters)) { parameters in
      try gradients.withVectorMemory(for: VectorUse(.gradients)) { gradients in
        try withMutableMemory(of: &states) { states in
          try update(
            parameters.floats(of: "parameters"), gradients.pieces, states, step, gradientScale)
        }
      }
    }
  }

  /// The same for vectors that are passed by value: unsafe buffers, arrays of these, spans.
  public func update<
    View: MutableVectorView & ~Copyable & ~Escapable, Gradients: Vector & ~Copyable & ~Escapable,
    State: MutableVectorView
  >(
    parameters: consuming View, gradients: borrowing Gradients, states: [State], step: Int,
    gradientScale: Double = 1
  ) throws {
    var states = states
    try update(
      &parameters, gradients: gradients, states: &states, step: step, gradientScale: gradientScale)
  }

  private func update(
    _ parameters: HostPieces, _ gradients: HostPieces, _ states: [HostPieces], _ step: Int,
    _ gradientScale: Double
  ) throws {
    try check(parameters, gradients, states, written: parameters, read: [], step, gradientScale)
    let kernels = try HostKernels(.best)
    let update = try kernels.update(CompiledRule(kernel))
    withDefaultFloatingPoint {
      withScalars(at: step, gradientScale: gradientScale) { preparation, scalars in
        forEachCommonPart(of: [parameters, gradients] + states) { operands, count in
          kernels.update(
            update, operands, gradients.type, nil, count: count, preparation.baseAddress,
            scalars.baseAddress)
        }
      }
    }
  }

  /// What the same step would change, for trainers that take deltas and apply them themselves: the
  /// parameters are only read, the states are updated, and
  ///
  ///     delta = (new parameter) − (old parameter)
  ///
  /// of the Floats that ``update(_:gradients:states:step:gradientScale:)`` has and leaves, rounded
  /// once. Where one is no more than twice the other that difference is exact, and adding it gives
  /// the new parameter's bits; elsewhere the sum may be a rounding away. Allocates nothing that
  /// outlives the call.
  ///
  /// - Parameters:
  ///   - parameters: not changed; any ``Vector``.
  ///   - gradients: as many as parameters.
  ///   - states: as in `update`.
  ///   - deltas: as many as parameters; whatever they hold is replaced. Neither they nor a state
  ///     may overlap another vector; parameters and gradients, which are only read, may be the
  ///     same.
  ///   - step: the number of this step, from 1 to ``OptimizerStatus/maximumStepCount``.
  ///   - gradientScale: a factor on every gradient.
  /// - Throws: ``DescentError``, before anything is changed.
  public func delta<
    Parameters: Vector & ~Copyable & ~Escapable, Gradients: Vector & ~Copyable & ~Escapable,
    State: MutableVector, Deltas: MutableVector & ~Copyable & ~Escapable
  >(
    _ parameters: borrowing Parameters, gradients: borrowing Gradients, states: inout [State],
    into deltas: inout Deltas, step: Int, gradientScale: Double = 1
  ) throws {
    try parameters.withVectorMemory(for: VectorUse(.parameters)) { parameters in
      try gradients.withVectorMemory(for: VectorUse(.gradients)) { gradients in
        try deltas.withMutableVectorMemory(for: VectorUse(.deltas)) { deltas in
          try withMutableMemory(of: &states) { states in
            try delta(
              parameters.floats(of: "parameters"), gradients.pieces, states,
              deltas.floats(of: "deltas"), step, gradientScale)
          }
        }
      }
    }
  }

  /// The same for vectors that are passed by value: unsafe buffers, arrays of these, spans.
  public func delta<
    Parameters: Vector & ~Copyable & ~Escapable, Gradients: Vector & ~Copyable & ~Escapable,
    State: MutableVectorView, Deltas: MutableVectorView & ~Copyable & ~Escapable
  >(
    parameters: borrowing Parameters, gradients: borrowing Gradients, states: [State],
    into deltas: consuming Deltas, step: Int, gradientScale: Double = 1
  ) throws {
    var states = states
    try delta(
      parameters, gradients: gradients, states: &states, into: &deltas, step: step,
      gradientScale: gradientScale)
  }

  private func delta(
    _ parameters: HostPieces, _ gradients: HostPieces, _ states: [HostPieces],
    _ deltas: HostPieces, _ step: Int, _ gradientScale: Double
  ) throws {
    let (count, given) = (parameters.elementCount, deltas.elementCount)
    guard given == count else {
      throw DescentError.count(of: "deltas", given: given, expected: count)
    }
    try check(
      parameters, gradients, states, written: deltas, read: parameters.map { $0 }, step,
      gradientScale)
    let kernels = try HostKernels(.best)
    let update = try kernels.update(CompiledRule(kernel))
    withDefaultFloatingPoint {
      withScalars(at: step, gradientScale: gradientScale) { preparation, scalars in
        forEachCommonPart(of: [deltas, parameters, gradients] + states) { starts, count in
          kernels.delta(
            update, starts[0]?.assumingMemoryBound(to: Float.self),
            starts.baseAddress.map { $0 + 1 }, Int32(states.count), gradients.type.code, count,
            preparation.baseAddress, scalars.baseAddress)
        }
      }
    }
  }

  private func check(
    _ parameters: HostPieces, _ gradients: HostPieces, _ states: [HostPieces],
    written: HostPieces, read: [ElementBuffer], _ step: Int,
    _ gradientScale: Double
  ) throws {
    try validate()
    try checkCounts(
      parameters.elementCount, gradients.elementCount, states.map { $0.elementCount },
      step: step)
    try checkScale(gradientScale)
    let pieces =
      (read + Array(gradients)).map { (UnsafeRawBufferPointer($0.bytes), isWritten: false) }
      + (states + [written]).joined().map { (UnsafeRawBufferPointer($0.bytes), isWritten: true) }
    try checkApart(
      pieces.filter { !$0.0.isEmpty }.map { ($0.0.start..<$0.0.end, isWritten: $0.isWritten) })
  }
}

/// Calls `body` with the memory of all of these vectors at once.
private func withMutableMemory<State: MutableVector>(
  of states: inout [State], _ body: ([HostPieces]) throws -> Void
) throws {
  var lent = [HostPieces](repeating: .none, count: states.count)
  try withMutableMemory(of: &states, &lent, body)
}

private func withMutableMemory<State: MutableVector>(
  of states: inout [State], _ lent: inout [HostPieces], _ body: ([HostPieces]) throws -> Void
) throws {
  // Taken out, so that an array is the only owner of its memory and is not copied.
  guard var last = states.popLast() else { return try body(lent) }
  defer { states.append(last) }
  try last.withMutableVectorMemory(for: VectorUse(.states)) { memory in
    lent[states.count] = try memory.floats(of: "states")
    try withMutableMemory(of: &states, &lent, body)
  }
}

/// Calls `body` with each range of elements that is contiguous in all of these vectors, which have
/// the same count: the first element in each vector, and how many there are.
private func forEachCommonPart(
  of vectors: [HostPieces], _ body: (UnsafeBufferPointer<UnsafeMutableRawPointer?>, Int) -> Void
) {
  withUnsafeTemporaryAllocation(
    of: UnsafeMutableRawPointer?.self, capacity: vectors.count
  ) { starts in
    starts.initialize(repeating: nil)
    if vectors.allSatisfy({ $0.count == 1 }) {
      for (index, pieces) in vectors.enumerated() { starts[index] = pieces[0].start?.address }
      if !vectors[0][0].isEmpty { body(UnsafeBufferPointer(starts), vectors[0][0].count) }
      return
    }
    var places = [(piece: Int, offset: Int)](repeating: (0, 0), count: vectors.count)
    var left = vectors[0].elementCount
    while left > 0 {
      var length = left
      for (index, pieces) in vectors.enumerated() {
        while places[index].offset == pieces[places[index].piece].count {
          places[index] = (places[index].piece + 1, 0)
        }
        let (piece, offset) = (pieces[places[index].piece], places[index].offset)
        starts[index] = piece.start.map { ($0 + offset).address }
        length = min(length, piece.count - offset)
      }
      body(UnsafeBufferPointer(starts), length)
      for index in places.indices { places[index].offset += length }
      left -= length
    }
  }
}
