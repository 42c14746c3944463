import Descent
import Foundation

/// The growth of a process's memory while an optimizer is made and takes steps, without parameters
/// and gradients: states, and everything else.
struct PeakMemory {
  let states: Int
  /// The most that the process grew by, in bytes.
  let growth: Int
  let engine: String

  /// The growth in addition to the states.
  var beside: Int { growth - states }

  /// The allowed growth in addition to the states: 64 KiB for each thread and 1 MiB. Iterations
  /// over matrices need a workspace too: 16 MiB or what the largest matrix needs, which is another
  /// one and up to four square ones; and for each thread the parts of a block.
  static func allowed(_ rule: any UpdateRule, count: Int, threads: Int) throws -> Int {
    let plain = threads * (64 << 10) + (1 << 20)
    guard rule.needsMatrices else { return plain }
    let largest = try ParameterLayout(count: count, for: rule).tensors.map { tensor in
      let shorter = tensor.shape.min() ?? 0
      return tensor.count + 4 * shorter * shorter
    }.max()
    let workspace = max(16 << 20, (largest ?? 0) * MemoryLayout<Float>.stride)
    return plain + workspace + (threads << 20)
  }

  /// Measures four steps over `count` elements; once in a process, since its greatest size is never
  /// forgotten.
  init(_ rule: any UpdateRule, count: Int, threads: Int) throws {
    let layout = try ParameterLayout(count: count, for: rule)
    let parameters = try HostVector(count: count, repeating: [0.5])
    let gradients = try HostVector(count: count, repeating: [0x1p-10])
    // Code and what a process needs once are not the optimizer's; a thread's stack is.
    let few = try ParameterLayout(count: 4096, for: rule)
    try Self.steps(Optimizer(rule, layout: few, on: .cpu(threads: 1)), parameters, gradients)
    Self.giveBackFreeMemory()
    let before = try Self.status("VmRSS")
    let optimizer = try Optimizer(rule, layout: layout, on: .cpu(threads: threads))
    try Self.steps(optimizer, parameters, gradients)
    growth = try Self.status("VmHWM") - before
    // Whether they are saved or not.
    let vectors = rule.states.filter { $0.shape == .parameter }.count
    states = vectors * count * MemoryLayout<Float>.stride
    engine = optimizer.engineName
  }

  private static func steps(
    _ optimizer: Optimizer, _ parameters: HostVector, _ gradients: HostVector
  ) throws {
    let count = optimizer.layout.count
    let x = UnsafeMutableBufferPointer(rebasing: parameters.memory[..<count])
    let g = UnsafeMutableBufferPointer(rebasing: gradients.memory[..<count])
    optimizer.clipping = .globalNorm(1)
    for _ in 1...2 { try optimizer.step(x, gradients: UnsafeBufferPointer(g)) }
    for _ in 1...2 { try optimizer.step(x, zeroing: g) }
  }

  /// What the C library has kept for later would hide as much of what follows. Not every one has
  /// the function, and Swift's import of glibc lacks it.
  private static func giveBackFreeMemory() {
    guard let trim = dlsym(nil, "malloc_trim") else { return }
    _ = unsafeBitCast(trim, to: (@convention(c) (Int) -> CInt).self)(0)
  }

  /// A number of kibibytes that the system reports for this process, in bytes.
  private static func status(_ name: String) throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    guard let kibibytes = MemoryLimits.number(after: name + ":\t", in: text) else {
      throw MemoryError.unknown(name)
    }
    return kibibytes << 10
  }
}
