/// How the CPU engine runs. None of it changes a bit of the result.
struct CPUOptions: Sendable {
  /// nil: as many as this process may use.
  var threads: Int?
  /// nil: the widest that this processor has.
  var instructions: InstructionSet?
  /// Elements that a thread takes at a time; from four blocks on, a second thread pays.
  var block = 1 << 16
}

/// The rules compiled for this processor, over threads that stay alive between steps. A pass allocates
/// nothing; its bits do not depend on the instruction set or on the number of threads.
final class CPUEngine: Engine {
  let name: String
  private let states: HostStates
  private let update: CompiledUpdate
  private let pool: WorkerPool?
  private let block: Int

  init(_ rule: any UpdateRule, count: Int, options: CPUOptions) throws {
    let instructions = options.instructions ?? .best
    guard instructions.isAvailable,
      let update = try CompiledRule(rule.kernel).update(for: instructions)
    else {
      throw DescentError.unknown(
        kind: "instruction set of this processor", name: instructions.rawValue,
        known: InstructionSet.available.map(\.rawValue))
    }
    if let threads = options.threads, threads < 1 {
      throw DescentError.unsupported("the CPU engine needs at least 1 thread, not \(threads)")
    }
    self.update = update
    states = try HostStates(rule, count: count)
    // Threads that never get a block would only wait.
    let useful = count < 4 * options.block ? 1 : (count + options.block - 1) / options.block
    let threads = min(options.threads ?? usableProcessors(), useful)
    block = options.block
    pool = threads > 1 ? WorkerPool(threads: threads) : nil
    name = "cpu (\(instructions), \(threads) thread\(threads == 1 ? "" : "s"))"
  }

  func update(
    _ parameters: UnsafeMutableBufferPointer<Float>, _ gradients: UnsafeBufferPointer<Float>,
    _ step: StepInput
  ) {
    guard let x = parameters.baseAddress, let g = gradients.baseAddress else { return }
    step.withScalars { preparation, scalars in
      let pass = Pass(
        update: update, parameters: x, gradients: g, states: states.pointers,
        stateCount: states.arrays.count, count: parameters.count,
        block: block, preparation: preparation.baseAddress, scalars: scalars.baseAddress)
      guard let pool else { return pass.run(0..<pass.count) }
      withUnsafePointer(to: pass) { pass in
        pool.run(blocks: (parameters.count + block - 1) / block, context: pass) { pass, index in
          pass.assumingMemoryBound(to: Pass.self).pointee.runBlock(index)
        }
      }
    }
  }

  func readState(_ index: Int, _ range: Range<Int>, into destination: UnsafeMutablePointer<Float>) {
    states.read(index, range, into: destination)
  }

  func writeState(_ index: Int, _ range: Range<Int>, from source: UnsafePointer<Float>) {
    states.write(index, range, from: source)
  }
}

/// One step's pass over memory, any part of which any thread can run.
struct Pass {
  let update: CompiledUpdate
  let parameters: UnsafeMutablePointer<Float>
  let gradients: UnsafePointer<Float>
  let states: UnsafePointer<UnsafeMutablePointer<Float>?>
  let stateCount: Int
  let count: Int
  let block: Int
  let preparation: UnsafeRawPointer?
  let scalars: UnsafeRawPointer?

  func runBlock(_ index: Int) {
    let start = index * block
    run(start..<min(start + block, count))
  }

  func run(_ range: Range<Int>) {
    let start = range.lowerBound
    withUnsafeTemporaryAllocation(
      of: UnsafeMutablePointer<Float>?.self, capacity: stateCount + 1
    ) { shifted in
      for index in 0..<stateCount { shifted[index] = states[index].map { $0 + start } }
      update(
        parameters + start, gradients + start, shifted.baseAddress, range.count, preparation,
        scalars)
    }
  }
}

extension UpdateRule {
  /// One step over memory that the caller owns, on the calling thread: for trainers that keep their
  /// own moments. Allocates nothing that outlives the call.
  ///
  /// Elements are independent, so a caller may split the vectors among threads at will without
  /// changing a bit.
  ///
  /// - Parameters:
  ///   - parameters: updated in place; any alignment.
  ///   - gradients: as many as parameters.
  ///   - states: one vector for each of ``stateNames``, as long as the parameters; before the first
  ///     step filled with ``initialValue(ofState:)``. No two of all these vectors may overlap.
  ///   - step: the number of this step, from 1.
  ///   - gradientScale: what every gradient is multiplied by first: one over a loss scale or over a
  ///     number of accumulated batches.
  /// - Throws: ``DescentError``, before anything is touched.
  public func update(
    parameters: UnsafeMutableBufferPointer<Float>, gradients: UnsafeBufferPointer<Float>,
    states: [UnsafeMutableBufferPointer<Float>], step: Int, gradientScale: Double = 1
  ) throws {
    try validate()
    try checkCounts(parameters.count, gradients.count, states.map(\.count), step: step)
    try checkScale(gradientScale)
    try checkOverlap(
      [UnsafeRawBufferPointer(gradients), UnsafeRawBufferPointer(parameters)]
        + states.map { UnsafeRawBufferPointer($0) })
    guard let update = try CompiledRule(kernel).update(for: .best) else { return }
    guard let x = parameters.baseAddress, let g = gradients.baseAddress else { return }
    withDefaultFloatingPoint {
      let input = StepInput(rule: self, step: step, gradientScale: gradientScale)
      input.withScalars { preparation, scalars in
        states.map(\.baseAddress).withUnsafeBufferPointer { pointers in
          update(
            x, g, pointers.baseAddress, parameters.count, preparation.baseAddress,
            scalars.baseAddress)
        }
      }
    }
  }

  /// The same over arrays.
  public func update(
    _ parameters: inout [Float], gradients: [Float], states: inout [[Float]], step: Int,
    gradientScale: Double = 1
  ) throws {
    try parameters.withUnsafeMutableBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { gradients in
        try lending(&states) { states in
          try update(
            parameters: parameters, gradients: gradients, states: states, step: step,
            gradientScale: gradientScale)
        }
      }
    }
  }
}

/// Lends the memory of all arrays at once, without a copy: each is taken out while it is lent.
private func lending<Result>(
  _ arrays: inout [[Float]], _ lent: [UnsafeMutableBufferPointer<Float>] = [],
  _ body: ([UnsafeMutableBufferPointer<Float>]) throws -> Result
) rethrows -> Result {
  guard var last = arrays.popLast() else { return try body(lent) }
  defer { arrays.append(last) }
  return try last.withUnsafeMutableBufferPointer { memory in
    try lending(&arrays, [memory] + lent, body)
  }
}
