#if OpenCL
import OpenCLHost

/// A long vector in a device's memory, cut where a context allows no more in one piece.
struct DeviceVector {
  let segments: [Buffer<Float>]

  /// The segments of vectors of `count` elements. They end where states' segments do, so that a
  /// step has one launch for each.
  static func counts(_ count: Int, in context: Context) -> [Int] {
    let allowed = min(context.largestAllocation / MemoryLayout<Float>.stride, 1 << 31)
    let tile = 1 << 14
    let length = allowed > tile ? allowed / tile * tile : max(1, allowed)
    return stride(from: 0, to: count, by: length).map { min(length, count - $0) }
  }

  /// - Parameter pattern: what the vector holds, over and over from its beginning.
  init(_ queue: CommandQueue, count: Int, repeating pattern: [Float]) throws {
    // Some repetitions at a time, so that a transfer is worth its call.
    let chunk = try HostVector(count: min(count + pattern.count, 1 << 22), repeating: pattern)
    var place = 0
    segments = try Self.counts(count, in: queue.context).map { count in
      let segment = try Buffer<Float>(queue.context, count: count)
      var done = 0
      while done < count {
        let phase = (place + done) % pattern.count
        let part = chunk.constant[phase..<min(chunk.memory.count, phase + count - done)]
        try segment.write(UnsafeBufferPointer(rebasing: part), at: done, on: queue)
        done += part.count
      }
      place += count
      return segment
    }
  }

  var slices: [BufferSlice<Float>] { segments.map(\.whole) }

  func read(on queue: CommandQueue) throws -> [Float] {
    try [Float](unsafeUninitializedCapacity: segments.reduce(0) { $0 + $1.count }) {
      memory, initialized in
      for segment in segments {
        try segment.read(
          into: UnsafeMutableBufferPointer(
            rebasing: memory[initialized..<initialized + segment.count]), on: queue)
        initialized += segment.count
      }
    }
  }
}

/// The same in pinned host memory.
struct PinnedVector {
  let segments: [PinnedMemory<Float>]

  init(_ queue: CommandQueue, count: Int, repeating pattern: [Float]) throws {
    var place = 0
    segments = try DeviceVector.counts(count, in: queue.context).map { count in
      let segment = try PinnedMemory<Float>(queue, count: count)
      segment.memory.fill(repeating: pattern, from: place)
      place += count
      return segment
    }
  }

  var elements: [Float] { segments.flatMap { Array($0.memory) } }
}
#endif
