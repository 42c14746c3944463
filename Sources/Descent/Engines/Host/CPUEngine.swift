internal import DescentKernels

/// How the CPU engine runs. None of it changes a bit of the result.
struct CPUOptions: Sendable {
  /// nil: what `DESCENT_THREADS` says, or else as many as this process may use.
  var threads: Int?
  /// nil: the widest that this processor has.
  var instructions: InstructionSet?
  /// Elements that a thread takes at a time; from four blocks on, a second thread pays.
  var block = 1 << 16
}

/// The rules compiled for this processor, over threads that stay alive between steps. A pass
/// allocates nothing; its bits do not depend on the instruction set or on the number of threads.
final class CPUEngine: HostEngine {
  let name: String
  let states: HostStates
  private let programs: RulePrograms
  private let instructions: HostKernels
  private let pool: WorkerPool?
  private let block: Int
  private let layout: ParameterLayout
  /// By program.
  private let values: [GroupValues]
  private let kernels: UnsafeMutableBufferPointer<HostProgram>
  private let mostStates: Int
  private var plan: HostPlan
  private var norm: HostNorm?
  private var accumulatePlan: HostPlan?
  var control = descent_control(lossScale: nil)
  var decided = DecidedSteps()

  init(_ programs: RulePrograms, options: CPUOptions) throws {
    let layout = programs.layout
    let set = options.instructions ?? .best
    let compiled = try programs.list.map { try CompiledRule($0.kernel) }
    let instructions = try HostKernels(set)
    let updates = try compiled.map { try instructions.update($0) }
    if let threads = options.threads, threads < 1 {
      throw DescentError.value(
        of: "the CPU engine's number of threads", given: "\(threads)", allowed: "1 or more")
    }
    self.programs = programs
    self.instructions = instructions
    self.layout = layout
    let count = layout.count
    let states = try HostStates(programs)
    self.states = states
    let values = compiled.map { GroupValues($0, groups: layout.groupNames.count) }
    self.values = values
    mostStates = programs.list.map(\.states.count).max() ?? 0
    plan = HostPlan(
      programs, nil, parameters: Pieces(count: count), gradients: Pieces(count: count))
    // Threads that never get a block would only wait.
    let useful = count < 4 * options.block ? 1 : (count + options.block - 1) / options.block
    let threads = min(try options.threads ?? threadsAskedFor() ?? usableProcessors(), useful)
    block = options.block
    let pool = threads > 1 ? WorkerPool(threads: threads) : nil
    // The system may have refused some of them, or all.
    let started = pool?.threadCount ?? 1
    self.pool = started > 1 ? pool : nil
    name = "cpu (\(set), \(started) thread\(started == 1 ? "" : "s"))"
    kernels = .allocate(capacity: updates.count)
    _ = kernels.initialize(
      from: updates.indices.map { index in
        HostProgram(
          kernel: updates[index], states: states.ofPrograms[index].pointers,
          stateCount: programs.list[index].states.count, values: values[index].layout)
      })
  }

  deinit { kernels.deallocate() }

  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) throws {
    try prepare(parameters, gradients, step.control)
    if step.average != nil || step.statesBegin { try states.begin(step, with: parameters) }
    let sum = step.accumulates ? states.sum : nil
    for (index, values) in values.enumerated() {
      step.write(to: values.memory, stride: values.stride, program: index)
    }
    if let norm {
      norm.measure(
        gradients, with: sum, scale: Float(step.gradientScale), &control, instructions.normTile,
        pool)
      countDecision()
    }
    let isSkipped = norm != nil && control.isSkipped != 0
    if isSkipped && !step.zeroes { return }
    let pass = Pass(
      programs: UnsafeBufferPointer(kernels), mostStates: mostStates, parameters: parameters,
      gradients: gradients, count: layout.count, block: block, runs: plan.runs,
      inverse: norm == nil ? 1 : control.inverse,
      coefficients: norm.map { UnsafeBufferPointer($0.coefficients) }, isSkipped: isSkipped,
      zeroes: step.zeroes, besideKernel: instructions.updateBeside, sum: sum,
      average: step.average == nil ? nil : states.average)
    guard let pool else { return pass.run(0..<pass.count) }
    withUnsafePointer(to: pass) { pass in
      pool.run(blocks: (layout.count + block - 1) / block, context: pass) { pass, index in
        pass.assumingMemoryBound(to: Pass.self).pointee.runBlock(index)
      }
    }
  }

  /// Makes what a step of this kind over these pieces needs, unless the last step was of the kind.
  private func prepare(
    _ parameters: HostPieces, _ gradients: HostPieces, _ control: StepControl
  ) throws {
    let isNew = control.looks ? norm?.control.takesNorms(like: control) != true : norm != nil
    if !isNew { norm?.control = control }
    if !isNew && plan.leftOut == control.leftOut && plan.fits(parameters, gradients) { return }
    let made = control.looks ? isNew ? HostNorm(layout, control) : norm : nil
    let cut = Pieces(gradients)
    try made?.check(cut)
    plan = HostPlan(
      programs, made?.plan.setOfTensor, leftOut: control.leftOut,
      parameters: Pieces(parameters), gradients: cut)
    norm = made
  }

  func accumulate(_ gradients: HostPieces, begins: Bool, zeroes: Bool) throws {
    let sum = try states.makeSumIfNeeded()
    if accumulatePlan?.gradients.fit(gradients) != true {
      let pieces = Pieces(gradients)
      accumulatePlan = HostPlan(
        layout.occupied, count: layout.count, states: [StateMap(count: layout.count)],
        parameters: pieces, gradients: pieces)
    }
    guard let plan = accumulatePlan else { return }
    let pass = AccumulatePass(
      kernel: instructions.accumulate, gradients: gradients, sum: sum, runs: plan.runs,
      count: layout.count, block: block, begins: begins, zeroes: zeroes)
    guard let pool else { return pass.run(0..<pass.count) }
    withUnsafePointer(to: pass) { pass in
      pool.run(blocks: (layout.count + block - 1) / block, context: pass) { pass, index in
        pass.assumingMemoryBound(to: AccumulatePass.self).pointee.runBlock(index)
      }
    }
  }
}
