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
  var slices: [BufferSlice<Float>] = []

  init(_ vector: some DeviceVector) { vector.appendMemory(to: &self) }
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
#endif
