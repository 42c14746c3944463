import Descent
import OpenCLHost

/// One of the two steps of a pair, with its optimizer and vectors.
final class Side {
  private let optimizer: Optimizer
  private let extra: Setup.Extra
  private var zeroes: Bool { extra == .zeroing || extra == .all }
  private let host: (parameters: Vector, gradients: Vector)?
  private let device: (parameters: Buffer<Float>, gradients: Buffer<Float>, queue: CommandQueue)?

  init(_ setup: Setup, on engine: Engine) throws {
    let count = setup.layout.count
    extra = setup.extra
    switch engine {
    case .cpu:
      optimizer = try Optimizer(Adam(), layout: setup.layout, on: .cpu)
      host = (Vector(count, 0.5), Vector(count, 0x1p-10))
      device = nil
    case .device(let device):
      let queue = try CommandQueue(Context(device))
      optimizer = try Optimizer(Adam(), layout: setup.layout, on: .openCL(queue))
      let parameters = try Buffer<Float>(queue.context, count: count)
      let gradients = try Buffer<Float>(queue.context, count: count)
      try parameters.fill(with: 0.5, on: queue)
      try gradients.fill(with: 0x1p-10, on: queue)
      self.device = (parameters, gradients, queue)
      host = nil
    }
    if extra == .averaged { optimizer.averaging = ParameterAverage() }
    if extra == .clipping || extra == .all { optimizer.clipping = .globalNorm(1) }
    if extra == .all {
      optimizer.skipsNonFinite = true
      try optimizer.setLossScale(LossScale(scale: 1024))
    }
  }

  /// Takes steps, and waits for them.
  func take(_ count: Int) throws {
    for _ in 0..<count {
      if let host {
        let gradients = host.gradients.memory
        if extra == .summed { try optimizer.accumulate(UnsafeBufferPointer(gradients)) }
        if zeroes {
          try optimizer.step(host.parameters.memory, zeroing: gradients)
        } else {
          try optimizer.step(
            host.parameters.memory, gradients: UnsafeBufferPointer(gradients))
        }
      } else if let device {
        if extra == .summed { try optimizer.enqueueAccumulate(device.gradients) }
        try optimizer.enqueueStep(
          device.parameters, gradients: device.gradients, zeroing: zeroes)
      }
    }
    try device?.queue.finish()
  }
}

/// Elements in host memory, from a page on.
final class Vector {
  let memory: UnsafeMutableBufferPointer<Float>

  init(_ count: Int, _ value: Float) {
    memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: count * MemoryLayout<Float>.stride, alignment: 4096
    ).bindMemory(to: Float.self)
    memory.initialize(repeating: value)
  }

  deinit { memory.deallocate() }
}
