import Descent
import Foundation
import OpenCLHost

/// A trainer of one of three kinds on the first OpenCL device.
final class Trainer {
  enum Kind: String {
    case host, device, outOfOrder
  }

  let kind: Kind
  let optimizer: Optimizer
  private let queue: CommandQueue
  private var parameters: [Float]
  private let buffer: Buffer<Float>
  private var last: Event?

  init(_ kind: Kind) throws {
    guard let device = Device.all.first else {
      throw Device.discovery.failures.first ?? OpenCLError(status: -1, call: "no device")
    }
    self.kind = kind
    queue = try kind == .outOfOrder ? Self.queueOutOfOrder(device) : CommandQueue(Context(device))
    optimizer = try Optimizer(Scenario.rule, layout: Scenario.layout(), on: .openCL(queue))
    parameters = Scenario.start(optimizer.layout.count)
    buffer = try Buffer(queue.context, copying: parameters)
  }

  /// Takes the steps, and waits for the last of them.
  func take(_ steps: ClosedRange<Int>) throws {
    let count = optimizer.layout.count
    for step in steps {
      try Scenario.configure(optimizer, before: step)
      optimizer.dropAccumulated()
      let gradients = Scenario.gradients(count, step)
      let earlier = Scenario.earlier(count, step)
      if kind == .host {
        if let earlier { try optimizer.accumulate(earlier) }
        try optimizer.step(&parameters, gradients: gradients)
      } else {
        let context = queue.context
        if let earlier {
          try optimizer.enqueueAccumulate(Buffer(context, copying: earlier))
        }
        last = try optimizer.enqueueStep(buffer, gradients: Buffer(context, copying: gradients))
      }
    }
    try last?.wait()
    last = nil
  }

  func snapshot() throws -> Snapshot {
    // States first: only they report a step that failed behind a command whose event was fine.
    let states = try Snapshot(optimizer, parameters: [])
    var snapshot = states
    snapshot.parameters = try values()
    return snapshot
  }

  func values() throws -> [Float] {
    kind == .host ? parameters : try buffer.read(on: queue)
  }

  func load(_ path: String) throws {
    last = nil
    var values = [Float](repeating: 0, count: optimizer.layout.count)
    try optimizer.load(from: path, parameters: &values)
    parameters = values
    if kind != .host { try buffer.write(values, on: queue) }
  }

  private typealias CreateContext =
    @convention(c) (
      UnsafePointer<Int>?, UInt32, UnsafePointer<OpaquePointer?>?, OpaquePointer?, OpaquePointer?,
      UnsafeMutablePointer<Int32>?
    ) -> OpaquePointer?
  private typealias CreateQueue =
    @convention(c) (
      OpaquePointer?, OpaquePointer?, UInt64, UnsafeMutablePointer<Int32>?
    ) -> OpaquePointer?

  /// As a trainer makes it in C.
  private static func queueOutOfOrder(_ device: Device) throws -> CommandQueue {
    guard let first = dlsym(nil, "clCreateContext"), let second = dlsym(nil, "clCreateCommandQueue")
    else { throw OpenCLError(status: -1, call: "dlsym") }
    var (id, status) = (Optional(device.rawHandle), Int32(0))
    let created = unsafeBitCast(first, to: CreateContext.self)(nil, 1, &id, nil, nil, &status)
    guard let context = created else { throw OpenCLError(status: status, call: "clCreateContext") }
    let queue = unsafeBitCast(second, to: CreateQueue.self)(
      context, device.rawHandle, 1, &status)
    guard let queue else { throw OpenCLError(status: status, call: "clCreateCommandQueue") }
    return try CommandQueue(retaining: queue, in: Context(retaining: context, device: device))
  }
}
