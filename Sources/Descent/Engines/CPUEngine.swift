/// How the CPU engine runs. None of it changes a bit of the result.
struct CPUOptions: Sendable {
  /// nil: what `DESCENT_THREADS` says, or else as many as this process may use.
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
  private let layout: ParameterLayout
  private let values: GroupValues
  private var plan: HostPlan

  init(_ rule: any UpdateRule, layout: ParameterLayout, options: CPUOptions) throws {
    let instructions = options.instructions ?? .best
    let compiled = try CompiledRule(rule.kernel)
    guard instructions.isAvailable, let update = compiled.update(for: instructions) else {
      throw DescentError.unknown(
        kind: "instruction set of this processor", name: instructions.rawValue,
        known: InstructionSet.available.map(\.rawValue))
    }
    if let threads = options.threads, threads < 1 {
      throw DescentError.unsupported("the CPU engine needs at least 1 thread, not \(threads)")
    }
    self.update = update
    self.layout = layout
    let count = layout.count
    states = try HostStates(rule, count: count)
    values = GroupValues(compiled, groups: layout.groupNames.count)
    plan = HostPlan(layout, parameters: [count], gradients: [count])
    // Threads that never get a block would only wait.
    let useful = count < 4 * options.block ? 1 : (count + options.block - 1) / options.block
    let threads = min(try options.threads ?? threadsAskedFor() ?? usableProcessors(), useful)
    block = options.block
    pool = threads > 1 ? WorkerPool(threads: threads) : nil
    name = "cpu (\(instructions), \(threads) thread\(threads == 1 ? "" : "s"))"
  }

  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) {
    if !plan.fits(parameters, gradients) {
      plan = HostPlan(
        layout, parameters: parameters.map(\.count), gradients: gradients.map(\.count))
    }
    step.write(to: values.memory, stride: values.stride)
    let pass = Pass(
      update: update, parameters: parameters, gradients: gradients, states: states.pointers,
      stateCount: states.arrays.count, count: layout.count, block: block, runs: plan.runs,
      values: values.layout)
    guard let pool else { return pass.run(0..<pass.count) }
    withUnsafePointer(to: pass) { pass in
      pool.run(blocks: (layout.count + block - 1) / block, context: pass) { pass, index in
        pass.assumingMemoryBound(to: Pass.self).pointee.runBlock(index)
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
