#if OpenCL
/// Some of a buffer's elements, one after another: how a vector inside a larger allocation is
/// named.
public struct BufferSlice<Element: BitwiseCopyable>: Sendable {
  /// The buffer that holds the elements.
  public let buffer: Buffer<Element>

  /// Which of its elements.
  public let range: Range<Int>

  /// How many elements.
  public var count: Int { range.count }

  /// Whether the two share an element.
  public func overlaps(_ other: BufferSlice<Element>) -> Bool {
    buffer.place.memory == other.buffer.place.memory && bytes.overlaps(other.bytes)
  }

  /// The byte range of the elements in the memory that `Buffer.place` names.
  package var bytes: Range<Int> {
    let stride = MemoryLayout<Element>.stride
    let start = buffer.place.start
    return start + range.lowerBound * stride..<start + range.upperBound * stride
  }
}

extension Buffer {
  /// The elements in `range`, without a copy and of any alignment.
  ///
  /// - Throws: `OpenCLUsageError` for a range that leaves the buffer.
  public func slice(_ range: Range<Int>) throws -> BufferSlice<Element> {
    guard range.lowerBound >= 0, range.upperBound <= count else {
      throw OpenCLUsageError.rangeOutsideBuffer(
        offset: range.lowerBound, count: range.count, available: count)
    }
    return BufferSlice(buffer: self, range: range)
  }

  /// All elements.
  public var whole: BufferSlice<Element> { BufferSlice(buffer: self, range: 0..<count) }
}
#endif
