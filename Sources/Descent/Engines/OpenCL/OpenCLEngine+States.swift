#if OpenCL
import OpenCLHost

/// States and the average to host memory and from it.
extension OpenCLEngine {
  func read(_ vector: StateVector, _ range: Range<Int>, into destination: ElementPointer) throws {
    try waitForPending()
    switch vector {
    case .average: try average?.read(0, range, into: destination, on: queue)
    case .companion: try companion?.read(0, range, into: destination, on: queue)
    case .state(let program, let index):
      if let numbers = own[program].numbers[index] {
        try numbers.read(
          into: ElementBuffer(start: destination, count: range.count), from: range.lowerBound,
          on: queue)
      } else if let place = programs.list[program].elements.firstIndex(of: index) {
        try own[program].states.read(place, range, into: destination, on: queue)
      }
    }
  }

  func write(_ vector: StateVector, _ range: Range<Int>, from source: ElementPointer) throws {
    if vector == .average && average == nil { average = try makeVector() }
    try waitForPending()
    switch vector {
    case .average: try average?.write(0, range, from: source, on: queue)
    case .companion: try companion?.write(0, range, from: source, on: queue)
    case .state(let program, let index):
      if let numbers = own[program].numbers[index] {
        try numbers.write(
          ElementBuffer(start: source, count: range.count), at: range.lowerBound, on: queue)
      } else if let place = programs.list[program].elements.firstIndex(of: index) {
        try own[program].states.write(place, range, from: source, on: queue)
      }
    }
  }
}
#endif
