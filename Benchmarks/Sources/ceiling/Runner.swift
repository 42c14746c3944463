import CeilingPasses
import Descent

/// A rule on a device, and the ceiling's pass over as many streams on the same device.
protocol Runner: AnyObject {
  var name: String { get }
  var driver: String { get }
  var optimizer: Optimizer { get }
  /// Whether the device promises the reference's bits.
  var isExact: Bool { get }

  /// One step, and the wait for it.
  func step() throws
  /// One pass of the ceiling, and the wait for it.
  func pass() throws

  func parameters() throws -> [Float]
  /// Parameters and states that the ceiling's passes have left.
  func passOutcome() throws -> [[Float]]
}

/// The CPU engine, and a pass in C over as many threads.
final class CPURunner: Runner {
  let optimizer: Optimizer
  let name: String
  let driver = "this package"
  let isExact = true
  private let vectors: HostVectors
  private let ceiling: HostVectors
  private let pool: OpaquePointer

  init(_ rule: any UpdateRule, count: Int, threads: Int) throws {
    optimizer = try Optimizer(
      rule, layout: ParameterLayout(count: count), on: .cpu(threads: threads))
    name = optimizer.engineName
    vectors = HostVectors(count: count, states: 0)
    ceiling = HostVectors(count: count, states: rule.stateNames.count)
    guard let pool = ceiling_pool_create(Int32(threads)) else {
      throw CeilingError.noThreads(threads)
    }
    self.pool = pool
  }

  deinit { ceiling_pool_destroy(pool) }

  func step() throws {
    try optimizer.step(vectors.parameters, gradients: UnsafeBufferPointer(vectors.gradients))
  }

  func pass() {
    let states: [UnsafeMutablePointer<Float>?] = ceiling.states.map(\.baseAddress)
    ceiling_pass(
      pool, ceiling.parameters.baseAddress, ceiling.gradients.baseAddress, states,
      Int32(states.count), ceiling.count)
  }

  func parameters() -> [Float] { Array(vectors.parameters) }

  func passOutcome() -> [[Float]] {
    [Array(ceiling.parameters)] + ceiling.states.map { Array($0) }
  }
}

enum CeilingError: Error, CustomStringConvertible {
  case noThreads(Int)
  case noDevice(String, known: [String])
  case wrong(String)
  case low(String)

  var description: String {
    switch self {
    case .noThreads(let count): "the system refused \(count) threads"
    case .noDevice(let name, let known):
      "there is no device \(name); there are \(known.joined(separator: ", "))"
    case .wrong(let what): "wrong numbers after timing: \(what)"
    case .low(let what): what
    }
  }
}
