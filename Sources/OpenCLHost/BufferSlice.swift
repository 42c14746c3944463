#if OpenCL
/// A contiguous range of a buffer's elements, such as a vector inside a larger allocation.
public struct BufferSlice<Element: BitwiseCopyable>: Sendable {
  /// The buffer that holds the elements.
  public let buffer: Buffer<Element>

  /// The indices of the elements in the buffer.
  public let range: Range<Int>

  /// The number of elements.
  public var count: Int { range.count }

  /// Whether the two slices share an element.
  public func overlaps(_ other: BufferSlice<Element>) -> Bool {
    buffer.place.memory == other.buffer.place.memory && bytes.overlaps(other.bytes)
  }

  /// The byte range of the elements in the memory that `Buffer.place` identifies.
  package var bytes: Range<Int> {
    let stride = MemoryLayout<Element>.stride
    let start = buffer.place.start
    return start + range.lowerBound * stride..<start + range.upperBound * stride
  }
}

extension Buffer {
  /// The elements in `range`, without a copy. The range may begin anywhere.
  ///
  /// - Throws: `OpenCLUsageError` for a range outside the buffer.
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
