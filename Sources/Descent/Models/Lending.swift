/// Passes pointers to the elements of many arrays at once, without a copy. Each array is removed
/// from `arrays` during the call.
///
/// An array's pointer is valid only within the closure that receives it, so the closures are
/// nested: one stack frame for each array.
func lending<Result>(
  _ arrays: inout [[Float]], writing: Bool = true,
  _ body: ([UnsafeMutableBufferPointer<Float>]) throws -> Result
) rethrows -> Result {
  var lent = [UnsafeMutableBufferPointer<Float>](
    repeating: UnsafeMutableBufferPointer(start: nil, count: 0), count: arrays.count)
  return try lending(&arrays, writing, &lent, body)
}

private func lending<Result>(
  _ arrays: inout [[Float]], _ writing: Bool, _ lent: inout [UnsafeMutableBufferPointer<Float>],
  _ body: ([UnsafeMutableBufferPointer<Float>]) throws -> Result
) rethrows -> Result {
  guard var last = arrays.popLast() else { return try body(lent) }
  defer { arrays.append(last) }
  if writing {
    return try last.withUnsafeMutableBufferPointer { memory in
      lent[arrays.count] = memory
      return try lending(&arrays, writing, &lent, body)
    }
  }
  // Memory that is only read may be shared, and asking for it to write would copy it.
  return try last.withUnsafeBufferPointer { memory in
    lent[arrays.count] = UnsafeMutableBufferPointer(mutating: memory)
    return try lending(&arrays, writing, &lent, body)
  }
}
