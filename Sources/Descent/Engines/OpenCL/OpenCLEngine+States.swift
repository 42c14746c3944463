#if OpenCL
import OpenCLHost

/// States and the average to host memory and from it.
extension OpenCLEngine {
  func read(
    _ vector: StateVector, _ range: Range<Int>, into destination: UnsafeMutablePointer<Float>
  ) throws {
    try waitForPending()
    switch vector {
    case .average: try average?.read(0, range, into: destination, on: queue)
    case .state(let program, let index):
      try own[program].states.read(index, range, into: destination, on: queue)
    }
  }

  func write(_ vector: StateVector, _ range: Range<Int>, from source: UnsafePointer<Float>) throws {
    if vector == .average && average == nil { average = try makeVector() }
    try waitForPending()
    switch vector {
    case .average: try average?.write(0, range, from: source, on: queue)
    case .state(let program, let index):
      try own[program].states.write(index, range, from: source, on: queue)
    }
  }
}
#endif
