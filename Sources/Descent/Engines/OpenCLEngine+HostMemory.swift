#if OpenCL
import OpenCLHost

extension OpenCLEngine {
  /// Host memory is lent to a device that shares it; otherwise it is carried to the device and back.
  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) throws {
    if queue.device.sharesHostMemory {
      let (x, g) = (try lent(parameters), try lent(gradients))
      try enqueueAndFinish(x.map(\.whole), g.map(\.whole), step) {
        for piece in step.zeroes ? x + g : x { try piece.synchronize(on: queue) }
      }
    } else {
      let staging = try self.staging ?? (makeStaging(), makeStaging())
      self.staging = staging
      try carry(parameters, staging.parameters) {
        try $1.write(UnsafeBufferPointer($0), at: $2, on: queue)
      }
      try carry(gradients, staging.gradients) {
        try $1.write(UnsafeBufferPointer($0), at: $2, on: queue)
      }
      var onDevice = step
      onDevice.zeroes = false
      try enqueueAndFinish(
        staging.parameters.map(\.whole), staging.gradients.map(\.whole), onDevice
      ) {
        try carry(parameters, staging.parameters) { try $1.read(into: $0, from: $2, on: queue) }
      }
      if step.zeroes { zero(gradients) }
    }
  }

  func accumulate(_ gradients: HostPieces, begins: Bool, zeroes: Bool) throws {
    if queue.device.sharesHostMemory {
      let g = try lent(gradients)
      try finishing {
        try enqueueAccumulate(g.map(\.whole), begins: begins, zeroes: zeroes, after: []).wait()
        for piece in zeroes ? g : [] { try piece.synchronize(on: queue) }
      }
    } else {
      let staging = try self.staging ?? (makeStaging(), makeStaging())
      self.staging = staging
      try carry(gradients, staging.gradients) {
        try $1.write(UnsafeBufferPointer($0), at: $2, on: queue)
      }
      try finishing {
        try enqueueAccumulate(
          staging.gradients.map(\.whole), begins: begins, zeroes: false, after: []
        ).wait()
      }
      if zeroes { zero(gradients) }
    }
  }

  /// Zeroes every tensor's gradient in host memory.
  private func zero(_ gradients: HostPieces) {
    let starts = starts(ofPieces: gradients.map(\.count))
    let stretches = layout.stretches()
    for (index, piece) in gradients.enumerated() {
      for stretch in stretches {
        let part = stretch.range.clamped(to: starts[index]..<starts[index + 1])
        if part.isEmpty { continue }
        let memory = piece[part.lowerBound - starts[index]..<part.upperBound - starts[index]]
        memory.update(repeating: 0)
      }
    }
  }

  /// Pieces of host memory as buffers that the context allows.
  private func lent(_ pieces: HostPieces) throws -> [Buffer<Float>] {
    let starts = starts(ofPieces: pieces.map(\.count))
    return try pieces.indices.flatMap { index in
      var start = 0
      return try cuts.counts(of: starts[index]..<starts[index + 1]).map { count in
        defer { start += count }
        let part = pieces[index][start..<start + count]
        return try Buffer(queue.context, lending: UnsafeMutableBufferPointer(rebasing: part))
      }
    }
  }

  private func makeStaging() throws -> [Buffer<Float>] {
    try states.counts.map { try Buffer(queue.context, count: $0) }
  }

  /// Calls `body` with every part of host memory that one buffer answers to, that buffer, and where in
  /// it.
  private func carry(
    _ pieces: HostPieces, _ buffers: [Buffer<Float>],
    _ body: (UnsafeMutableBufferPointer<Float>, Buffer<Float>, Int) throws -> Void
  ) throws {
    let host = starts(ofPieces: pieces.map(\.count))
    let device = starts(ofPieces: buffers.map(\.count))
    for (index, piece) in pieces.enumerated() {
      for (other, buffer) in buffers.enumerated() {
        let part = (host[index]..<host[index + 1]).clamped(to: device[other]..<device[other + 1])
        if part.isEmpty { continue }
        let memory = piece[part.lowerBound - host[index]..<part.upperBound - host[index]]
        try body(
          UnsafeMutableBufferPointer(rebasing: memory), buffer, part.lowerBound - device[other])
      }
    }
  }

  /// Once a launch is enqueued, a failure leaves the states in doubt.
  private func enqueueAndFinish(
    _ parameters: [BufferSlice<Float>], _ gradients: [BufferSlice<Float>], _ step: StepInput,
    _ fetch: () throws -> Void
  ) throws {
    try finishing {
      let event = try enqueue(parameters, gradients, step, after: [])
      do {
        try event.wait()
        try fetch()
      } catch {
        throw TornStep(underlying: error)
      }
    }
  }

  /// The memory is the caller's again on return, so after a failure nothing may run on it any more.
  private func finishing(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch {
      try? queue.finish()
      throw error
    }
  }
}
#endif
