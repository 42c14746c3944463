/// Lends the memory of many arrays at once, without a copy: each is taken out while it is lent.
///
/// An array's memory is good only within a closure that it is lent to, so the closures lie one
/// within another: a frame of the stack for each array.
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
