/// Throws unless a gradient can be multiplied by `scale` and mean something.
func checkScale(_ scale: Double) throws {
  guard Float(scale).isFinite else {
    throw DescentError.unsupported("gradientScale is \(scale); allowed is what a Float can hold")
  }
}

/// Throws if two of the vectors share memory: an element must not change before it is read.
func checkOverlap(_ vectors: [UnsafeRawBufferPointer]) throws {
  for (index, vector) in vectors.enumerated() {
    for other in vectors[..<index] where overlap(vector, other) { throw DescentError.overlap }
  }
}

func overlap(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
  guard let startA = a.baseAddress, let startB = b.baseAddress, !a.isEmpty, !b.isEmpty else {
    return false
  }
  return startA < startB + b.count && startB < startA + a.count
}
