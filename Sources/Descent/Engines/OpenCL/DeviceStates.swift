#if OpenCL
import OpenCLHost

/// States in a device's memory, each cut into segments no longer than the context allows.
final class DeviceStates {
  /// Segment after segment of each state.
  let segments: [[Buffer<Float>]]
  /// The segments' lengths, the same for all states.
  let counts: [Int]
  private let starts: [Int]
  private var births: [Event]

  /// A vector for each of the values, which it begins with.
  init(_ values: [Float], _ cuts: SegmentCuts, queue: CommandQueue) throws {
    // Some drivers make memory when it is first used, and end the program where there is none.
    if queue.device.sharesHostMemory {
      try checkMemory(cuts.count, stride: values.count * MemoryLayout<Float>.stride)
    }
    let counts = cuts.counts(of: 0..<cuts.count)
    (self.counts, starts) = (counts, Descent.starts(ofPieces: counts))
    var births: [Event] = []
    segments = try values.map { value in
      try counts.map { count in
        let segment = try Buffer<Float>(queue.context, count: count)
        births.append(try segment.fill(with: value, on: queue))
        return segment
      }
    }
    self.births = births
  }

  /// The commands that fill the segments, for the first use to wait for; none the next time.
  func takeBirths() -> [Event] {
    defer { births = [] }
    return births
  }

  func read(
    _ index: Int, _ range: Range<Int>, into destination: UnsafeMutablePointer<Float>,
    on queue: CommandQueue
  ) throws {
    try forEachPart(of: range) { segment, offset, part in
      let target = destination + (part.lowerBound - range.lowerBound)
      try segments[index][segment].read(
        into: UnsafeMutableBufferPointer(start: target, count: part.count), from: offset, on: queue)
    }
  }

  func write(
    _ index: Int, _ range: Range<Int>, from source: UnsafePointer<Float>, on queue: CommandQueue
  ) throws {
    try forEachPart(of: range) { segment, offset, part in
      let origin = source + (part.lowerBound - range.lowerBound)
      try segments[index][segment].write(
        UnsafeBufferPointer(start: origin, count: part.count), at: offset, on: queue)
    }
  }

  /// Calls `body` with each segment that the range touches, where in it, and which elements.
  private func forEachPart(
    of range: Range<Int>, _ body: (Int, Int, Range<Int>) throws -> Void
  ) throws {
    for segment in counts.indices {
      let part = range.clamped(to: starts[segment]..<starts[segment + 1])
      if !part.isEmpty { try body(segment, part.lowerBound - starts[segment], part) }
    }
  }
}
#endif
