#if OpenCL
import OpenCLHost

extension OpenCLEngine {
  /// A device that shares the host's memory uses it in place; otherwise it is copied to the device
  /// and back.
  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) throws {
    if let chunk { return try carry(parameters, gradients, step, chunk: chunk) }
    let (x, g) = (try lent(parameters), try lent(gradients))
    try enqueueAndFinish(x, g, step) {
      for piece in step.zeroes ? x + g : x { try piece.buffer.synchronize(on: queue) }
    }
  }

  private func carry(
    _ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput, chunk: Int
  ) throws {
    let looks = step.control.looks
    var onDevice = step
    // Nobody reads the device's copy again.
    onDevice.zeroes = false
    try carrying(chunk, parameters.type, gradients.type) { carrier in
      try enqueueAndFinish(
        carrier.parameters, looks ? carrier.gradients.segments : carrier.gradients.chunks, onDevice,
        from: CarriedVectors(parameters: parameters, gradients: gradients, carrier: carrier)
      ) { try carrier.finish() }
    }
    if step.zeroes { zero(gradients) }
  }

  private func carrying(
    _ chunk: Int, _ parameters: ElementType?, _ gradients: ElementType,
    _ body: (HostCarrier) throws -> Void
  ) throws {
    let carrier = try carrier ?? HostCarrier(queue, segments: vectorPieces.counts, chunk: chunk)
    carrier.take(parameters: parameters ?? carrier.parameters.elementType, gradients: gradients)
    self.carrier = carrier
    do {
      try body(carrier)
    } catch {
      if !carrier.abandon(by: pending.deadline) { self.carrier = nil }
      throw error
    }
  }

  /// Copies the parameters to what begins with this step as a copy of them.
  func begin(_ step: StepInput, with parameters: HostPieces) throws {
    if step.statesBegin, let companion, programs.storage.companion?.copiesParameters == true {
      try waitForPending()
      try HostVector(parameters).forEachPart(of: layout.occupied) { range, memory in
        let floats = try HostVectors([.init(count: range.count)])
        memory.copyFloats(to: floats.arrays[0].floats, count: range.count)
        try companion.write(0, range, from: floats.arrays[0], on: queue)
      }
    }
    if step.average?.begins == true, let average {
      try waitForPending()
      try HostVector(parameters).forEachPart(of: layout.occupied) { range, memory in
        try withFloats(memory, range) { try average.write(0, range, from: $0, on: queue) }
      }
    }
    guard step.statesBegin else { return }
    try waitForPending()
    for (index, program) in programs.list.enumerated() {
      for (place, state) in program.elements.enumerated()
      where program.states[state].start == .parameters {
        try HostVector(parameters).forEachPart(of: programs.stretches(of: index)) { range, memory in
          try withFloats(memory, range) {
            try own[index].states.write(
              place, programs.states[index].place(of: range), from: $0, on: queue)
          }
        }
      }
    }
  }

  /// The same of parameters of 16 bits in the device's memory, which are read first.
  func begin(_ step: StepInput, with parameters: [DeviceSlice], after events: [Event]) throws {
    try waitForPending()
    try Event.wait(for: events)
    let memory = try HostVectors([
      .init(type: parameters.elementType, count: layout.count)
    ])
    var start = memory.arrays[0]
    for slice in parameters {
      try slice.read(into: ElementBuffer(start: start, count: slice.count), from: 0, on: queue)
      start = start + slice.count
    }
    let whole = UnsafeMutableBufferPointer(
      start: memory.arrays[0].address.assumingMemoryBound(to: UInt16.self), count: layout.count)
    try withExtendedLifetime(memory) {
      try withUnsafePointer(to: whole) {
        try begin(
          step, with: HostPieces(UnsafeBufferPointer(start: $0, count: 1), of: start.type))
      }
    }
  }

  /// The parameters of a range of the layout as Floats.
  private func withFloats(
    _ parameters: ElementPointer, _ range: Range<Int>, _ body: (ElementPointer) throws -> Void
  ) throws {
    guard let companion, let kind = programs.storage.companion else { return try body(parameters) }
    let memory = try HostVectors([
      .init(count: range.count), .init(type: kind.type, count: range.count),
    ])
    try companion.read(0, range, into: memory.arrays[1], on: queue)
    StoredParameters(parameters: parameters, companion: memory.arrays[1]).copyFloats(
      to: memory.arrays[0].floats, count: range.count)
    try withExtendedLifetime(memory) { try body(memory.arrays[0]) }
  }

  func accumulate(_ gradients: HostPieces, begins: Bool, zeroes: Bool) throws {
    guard let chunk else {
      let g = try lent(gradients)
      return try finishing {
        _ = try enqueueAccumulate(g, begins: begins, zeroes: zeroes, after: [])
        try waitForPending()
        for piece in zeroes ? g : [] { try piece.buffer.synchronize(on: queue) }
      }
    }
    try carrying(chunk, nil, gradients.type) { carrier in
      let ready = try carrier.begin(HostPieces.none, gradients, gradientsFirst: true)
      try finishing {
        _ = try enqueueAccumulate(
          carrier.gradients.segments, begins: begins, zeroes: false, after: ready)
        try waitForPending()
        try carrier.finish()
      }
    }
    if zeroes { zero(gradients) }
  }

  /// Zeroes every tensor's gradient in host memory.
  private func zero(_ gradients: HostPieces) {
    HostVector(gradients).forEachPart(of: layout.occupied) { range, memory in
      memory.zero(count: range.count)
    }
  }

  /// Pieces of host memory as buffers that the context allows.
  private func lent(_ pieces: HostPieces) throws -> [DeviceSlice] {
    let own = Pieces(pieces)
    return try own.indices.flatMap { index in
      let parts = cuts.pieces(of: own[index])
      return try parts.indices.map {
        try DeviceSlice(lending: pieces[index][parts[$0]], of: pieces.type, to: queue.context)
      }
    }
  }

  /// Once a launch is enqueued, a failure leaves the states in doubt.
  private func enqueueAndFinish(
    _ parameters: [DeviceSlice], _ gradients: [DeviceSlice], _ step: StepInput,
    from host: CarriedVectors? = nil, _ fetch: () throws -> Void
  ) throws {
    try finishing {
      _ = try enqueue(parameters, gradients, step, after: [], from: host)
      try waitForPending()
      do {
        try fetch()
      } catch {
        throw TornStep(underlying: error)
      }
    }
  }

  /// The memory is the caller's again on return, so nothing may run on it any more.
  private func finishing(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      do {
        try waitForPending()
      } catch is TornStep {
        // An earlier command has failed; its failure would be lost here.
        throw TornStep(underlying: (error as? TornStep)?.underlying ?? error)
      } catch {}
      throw error
    }
  }
}
#endif
