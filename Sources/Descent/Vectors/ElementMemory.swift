#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The address of an element of a vector in host memory.
struct ElementPointer {
  let address: UnsafeMutableRawPointer
  let type: ElementType

  init(_ address: UnsafeMutableRawPointer, _ type: ElementType) {
    (self.address, self.type) = (address, type)
  }

  init(_ floats: UnsafeMutablePointer<Float>) {
    self.init(UnsafeMutableRawPointer(floats), .float32)
  }

  static func + (pointer: ElementPointer, distance: Int) -> ElementPointer {
    ElementPointer(pointer.address + distance * pointer.type.size, pointer.type)
  }

  /// The elements of a vector of Floats.
  var floats: UnsafeMutablePointer<Float> {
    assert(type == .float32)
    return address.assumingMemoryBound(to: Float.self)
  }

  /// An element, exactly; at any address.
  func value(at index: Int) -> Float {
    switch type {
    case .float32: address.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
    case .float16: Float(address.loadUnaligned(fromByteOffset: 2 * index, as: Float16.self))
    case .bfloat16: Float(address.loadUnaligned(fromByteOffset: 2 * index, as: BFloat16.self))
    case .remainder: Float(address.loadUnaligned(fromByteOffset: 2 * index, as: Int16.self))
    }
  }

  /// Stores an element, rounded to nearest; at any address.
  func set(_ value: Float, at index: Int) {
    if type == .float32 {
      return address.storeBytes(of: value, toByteOffset: 4 * index, as: Float.self)
    }
    type.withBits(of: Double(value)) {
      if let bits = $0.baseAddress {
        (self + index).address.copyMemory(from: bits, byteCount: type.size)
      }
    }
  }

  /// Copies elements of another type as Floats.
  func copyFloats(to floats: UnsafeMutablePointer<Float>, count: Int) {
    for index in 0..<count { floats[index] = value(at: index) }
  }

  /// Copies elements of the same type.
  func copy(from source: ElementPointer, count: Int) {
    address.copyMemory(from: source.address, byteCount: count * type.size)
  }

  /// Sets elements to 0, whose bits are 0 in every type.
  func zero(count: Int) { memset(address, 0, count * type.size) }

  /// Sets elements to a number.
  func fill(with value: Double, count: Int) {
    type.withBits(of: value) { bits in
      guard count > 0, let first = bits.baseAddress, bits.contains(where: { $0 != 0 }) else {
        return zero(count: count)
      }
      address.copyMemory(from: first, byteCount: type.size)
      var filled = 1
      while filled < count {
        let more = min(filled, count - filled)
        (self + filled).copy(from: self, count: more)
        filled += more
      }
    }
  }
}

/// Contiguous elements of a vector in host memory.
struct ElementBuffer {
  let start: ElementPointer?
  let count: Int

  init(start: ElementPointer?, count: Int) { (self.start, self.count) = (start, count) }

  init(_ floats: UnsafeMutableBufferPointer<Float>) {
    self.init(start: floats.baseAddress.map { ElementPointer($0) }, count: floats.count)
  }

  subscript(range: Range<Int>) -> ElementBuffer {
    ElementBuffer(start: start.map { $0 + range.lowerBound }, count: range.count)
  }

  var isEmpty: Bool { count == 0 }

  var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: start?.address, count: count * (start?.type.size ?? 0))
  }

  /// The elements of a vector of Floats.
  var floats: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: start?.floats, count: count)
  }

  /// Copies as many elements of the same type.
  func copy(from source: ElementBuffer) {
    if let start, let first = source.start { start.copy(from: first, count: count) }
  }
}

/// A vector in host memory, piece after piece.
struct HostPieces: RandomAccessCollection {
  let type: ElementType
  let count: Int
  /// An array of unsafe mutable buffers of elements of the type.
  private let list: UnsafeRawPointer?

  /// - Parameter type: what `Element` is.
  init<Element>(
    _ pieces: UnsafeBufferPointer<UnsafeMutableBufferPointer<Element>>, of type: ElementType
  ) {
    (self.type, count, list) = (type, pieces.count, UnsafeRawPointer(pieces.baseAddress))
  }

  /// No piece.
  static var none: HostPieces {
    HostPieces(
      UnsafeBufferPointer<UnsafeMutableBufferPointer<Float>>(start: nil, count: 0), of: .float32)
  }

  var startIndex: Int { 0 }
  var endIndex: Int { count }

  subscript(index: Int) -> ElementBuffer {
    // All of these buffers are an address and a count of elements, whatever these are.
    typealias Piece = UnsafeMutableBufferPointer<UInt8>
    guard let list else { return ElementBuffer(start: nil, count: 0) }
    let piece = list.load(fromByteOffset: index * MemoryLayout<Piece>.stride, as: Piece.self)
    return ElementBuffer(
      start: piece.baseAddress.map { ElementPointer(UnsafeMutableRawPointer($0), type) },
      count: piece.count)
  }

  /// Elements of all pieces.
  var elementCount: Int { reduce(0) { $0 + $1.count } }
}
