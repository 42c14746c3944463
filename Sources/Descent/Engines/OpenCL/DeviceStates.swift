#if OpenCL
import OpenCLHost

/// States in a device's memory, each cut into segments no longer than the context allows.
final class DeviceStates {
  /// How many states there are.
  var count: Int { segments.count }
  /// Segment after segment of each state.
  let segments: [[DeviceSlice]]
  /// How every state is cut into segments.
  let pieces: Pieces
  private var births: [Event]

  /// A vector for each of the values, which it begins with.
  init(
    _ values: [Double], type: ElementType = .float32, _ cuts: SegmentCuts, queue: CommandQueue
  ) throws {
    // Some drivers make memory when it is first used, and end the program where there is none.
    if queue.device.sharesHostMemory {
      try checkMemory(cuts.count, stride: values.count * type.size)
    }
    let pieces = cuts.pieces(of: 0..<cuts.count)
    self.pieces = pieces
    var births: [Event] = []
    segments = try values.map { value in
      try pieces.counts.map { count in
        let segment = try DeviceSlice(type, count: count, in: queue.context)
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
    _ index: Int, _ range: Range<Int>, into destination: ElementPointer, on queue: CommandQueue
  ) throws {
    try pieces.forEachPart(of: range) { segment, offset, part in
      let target = destination + (part.lowerBound - range.lowerBound)
      try segments[index][segment].read(
        into: ElementBuffer(start: target, count: part.count), from: offset, on: queue)
    }
  }

  func write(
    _ index: Int, _ range: Range<Int>, from source: ElementPointer, on queue: CommandQueue
  ) throws {
    try pieces.forEachPart(of: range) { segment, offset, part in
      let origin = source + (part.lowerBound - range.lowerBound)
      try segments[index][segment].write(
        ElementBuffer(start: origin, count: part.count), at: offset, on: queue)
    }
  }
}
#endif
