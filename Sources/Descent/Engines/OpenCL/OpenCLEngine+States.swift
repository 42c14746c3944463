#if OpenCL
import OpenCLHost

/// States and the average, which is the one after them, to host memory and from it.
extension OpenCLEngine {
  func readState(_ index: Int, _ range: Range<Int>, into destination: UnsafeMutablePointer<Float>)
    throws
  {
    try waitForPending()
    if index == states.segments.count {
      try average?.read(0, range, into: destination, on: queue)
    } else {
      try states.read(index, range, into: destination, on: queue)
    }
  }

  func writeState(_ index: Int, _ range: Range<Int>, from source: UnsafePointer<Float>) throws {
    let isAverage = index == states.segments.count
    if isAverage && average == nil { average = try makeVector() }
    try waitForPending()
    if isAverage {
      try average?.write(0, range, from: source, on: queue)
    } else {
      try states.write(index, range, from: source, on: queue)
    }
  }
}
#endif
