#if OpenCL
import OpenCLHost

/// States in a device's memory, each cut into segments no longer than the context allows.
final class DeviceStates {
  /// Segment after segment of each state.
  let segments: [[Buffer<Float>]]
  /// The segments' lengths, the same for all states.
  let counts: [Int]
  private let starts: [Int]

  /// Elements of a norm's tile; segments end between tiles, so that none is cut.
  private static let tile = 1 << 14

  init(_ rule: any UpdateRule, count: Int, queue: CommandQueue) throws {
    let counts = Self.counts(count, in: queue.context)
    (self.counts, starts) = (counts, Descent.starts(ofPieces: counts))
    segments = try rule.stateNames.map { name in
      try counts.map { count in
        let segment = try Buffer<Float>(queue.context, count: count)
        _ = try segment.fill(with: Float(rule.initialValue(ofState: name)), on: queue)
        return segment
      }
    }
  }

  /// How `count` elements are cut. A launch's items can be counted in 32 bits on every device, even at
  /// one element each.
  static func counts(_ count: Int, in context: Context) -> [Int] {
    let allowed = min(context.largestAllocation / MemoryLayout<Float>.stride, 1 << 31)
    let length = allowed > tile ? allowed / tile * tile : max(1, allowed)
    return stride(from: 0, to: count, by: length).map { min(length, count - $0) }
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
