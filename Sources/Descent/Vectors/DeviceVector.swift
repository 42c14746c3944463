#if OpenCL
public import OpenCLHost

/// Elements in device memory: a `Buffer`, a `BufferSlice`, or an array of these, which is the
/// concatenation of its members.
public protocol DeviceVector {
  /// Appends the vector's memory, in the order of its elements.
  func appendMemory(to memory: inout DeviceMemory)
}

/// The device memory of a vector: slices of buffers that follow one another in the vector. Only
/// conformances of this package append to it.
public struct DeviceMemory {
  var slices: [DeviceSlice] = []

  init(_ vector: some DeviceVector) { vector.appendMemory(to: &self) }

  /// The slices of a vector whose elements are all of one type: the given one, if one is given.
  /// Throws ``DescentError/value(of:given:allowed:)`` for others.
  func slices(of what: String, as type: ElementType? = nil) throws(DescentError) -> [DeviceSlice] {
    for slice in slices {
      if let type { try slice.type.check(what, is: type) }
      guard slice.type == slices[0].type else {
        throw .value(
          of: "the element type of a part of \(what)", given: slice.type.name,
          allowed: "\(slices[0].type.name), as in its first part")
      }
    }
    return slices
  }
}

extension BufferSlice: DeviceVector where Element: VectorElement {
  /// Appends the slice.
  public func appendMemory(to memory: inout DeviceMemory) { Element.append(self, to: &memory) }
}

extension Buffer: DeviceVector where Element: VectorElement {
  /// Appends the whole buffer.
  public func appendMemory(to memory: inout DeviceMemory) { Element.append(whole, to: &memory) }
}

extension Array: DeviceVector where Element: DeviceVector {
  /// Appends the memory of each member.
  public func appendMemory(to memory: inout DeviceMemory) {
    memory.slices.reserveCapacity(memory.slices.count + count)
    for member in self { member.appendMemory(to: &memory) }
  }
}

/// Elements in device memory that are contiguous in one buffer.
struct DeviceSlice {
  let type: ElementType
  let buffer: Buffer<UInt8>
  /// In elements.
  let range: Range<Int>

  /// - Parameter type: what `Element` is.
  init<Element>(_ slice: BufferSlice<Element>, of type: ElementType) {
    (self.type, range) = (type, slice.range)
    buffer = Buffer(viewing: slice.buffer, count: slice.buffer.byteCount)
  }

  private init(_ type: ElementType, _ buffer: Buffer<UInt8>, _ range: Range<Int>) {
    (self.type, self.buffer, self.range) = (type, buffer, range)
  }

  /// Memory of its own. Throws as `Buffer.init(_:count:)` does.
  init(_ type: ElementType, count: Int, in context: Context) throws {
    switch type {
    case .float32: self.init(try Buffer<Float>(context, count: count).whole, of: type)
    case .float16, .bfloat16, .remainder:
      self.init(try Buffer<UInt16>(context, count: count).whole, of: type)
    }
  }

  /// Wraps host memory, which has to outlive it. Throws as `Buffer.init(_:lending:keeping:)` does.
  init(lending memory: ElementBuffer, of type: ElementType, to context: Context) throws {
    switch type {
    case .float32: self.init(try Buffer(context, lending: memory.floats).whole, of: type)
    case .float16, .bfloat16, .remainder:
      let halves = memory.bytes.assumingMemoryBound(to: UInt16.self)
      self.init(try Buffer(context, lending: halves).whole, of: type)
    }
  }

  var count: Int { range.count }

  /// As many elements of a type that is no larger, in the same memory.
  func viewed(as type: ElementType) -> DeviceSlice { DeviceSlice(type, buffer, range) }

  /// A part, by elements from the first.
  subscript(part: Range<Int>) -> DeviceSlice {
    let start = range.lowerBound + part.lowerBound
    return DeviceSlice(type, buffer, start..<start + part.count)
  }

  /// The bytes of the elements in the memory that `Buffer.place` names.
  var bytes: Range<Int> {
    let start = buffer.place.start
    return start + range.lowerBound * type.size..<start + range.upperBound * type.size
  }

  func overlaps(_ other: DeviceSlice) -> Bool {
    buffer.place.memory == other.buffer.place.memory && bytes.overlaps(other.bytes)
  }

  // MARK: Commands

  /// Enqueues setting all elements to a number.
  func fill(with value: Double, on queue: CommandQueue) throws -> Event {
    switch type {
    case .float32: try fill(with: Float(value), on: queue)
    case .float16: try fill(with: Float16(value), on: queue)
    case .bfloat16: try fill(with: BFloat16(value), on: queue)
    case .remainder: try fill(with: Int16(clamping: Int(value)), on: queue)
    }
  }

  private func fill<Element: BitwiseCopyable>(
    with value: Element, on queue: CommandQueue
  ) throws -> Event {
    try Buffer<Element>(viewing: buffer, count: range.upperBound).fill(
      with: value, at: range.lowerBound, count: count, on: queue)
  }

  /// Copies elements from `offset` on to host memory, and waits.
  func read(into memory: ElementBuffer, from offset: Int, on queue: CommandQueue) throws {
    try buffer.read(into: memory.asBytes, from: byte(offset), on: queue)
  }

  /// Copies host memory to elements from `offset` on, and waits.
  func write(_ memory: ElementBuffer, at offset: Int, on queue: CommandQueue) throws {
    try buffer.write(UnsafeBufferPointer(memory.asBytes), at: byte(offset), on: queue)
  }

  /// Enqueues copying as many elements to host memory.
  func enqueueRead(
    into memory: ElementBuffer, on queue: CommandQueue, after events: [Event]
  ) throws -> Event {
    try buffer.enqueueRead(into: memory.asBytes, from: byte(0), on: queue, after: events)
  }

  /// Enqueues copying as many elements from host memory.
  func enqueueWrite(_ memory: ElementBuffer, on queue: CommandQueue) throws -> Event {
    try buffer.enqueueWrite(UnsafeBufferPointer(memory.asBytes), at: byte(0), on: queue)
  }

  /// Enqueues copying all elements to another vector of the type, from its element `offset` on.
  func copy(
    to other: DeviceSlice, at offset: Int, on queue: CommandQueue, after events: [Event]
  ) throws -> Event {
    try buffer.copy(
      to: other.buffer, at: other.byte(offset), from: byte(0), count: count * type.size,
      on: queue, after: events)
  }

  private func byte(_ element: Int) -> Int { (range.lowerBound + element) * type.size }
}

extension [DeviceSlice] {
  /// Of a vector in these slices, which all have it.
  var elementType: ElementType { first?.type ?? .float32 }
}

extension ElementBuffer {
  fileprivate var asBytes: UnsafeMutableBufferPointer<UInt8> {
    bytes.assumingMemoryBound(to: UInt8.self)
  }
}
#endif
