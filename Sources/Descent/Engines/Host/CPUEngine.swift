internal import DescentKernels

/// How the CPU engine runs. None of it changes a bit of the result.
struct CPUOptions: Sendable {
  /// nil: what `DESCENT_THREADS` says, or else as many as this process may use.
  var threads: Int?
  /// nil: the widest that this processor has.
  var instructions: InstructionSet?
  /// Elements that a thread takes at a time; from four blocks on, a second thread pays.
  var block = 1 << 16
  /// Floats of the workspace of a batch of matrices.
  var matrixWorkspace = MatrixMemory.batch
}

/// The rules compiled for this processor, over threads that stay alive between steps. A pass
/// allocates nothing; its bits do not depend on the instruction set or on the number of threads.
final class CPUEngine: HostEngine {
  let name: String
  let states: HostStates
  fileprivate let programs: RulePrograms
  fileprivate let instructions: HostKernels
  fileprivate let pool: WorkerPool?
  fileprivate let block: Int
  fileprivate let layout: ParameterLayout
  /// By program.
  fileprivate let values: [GroupValues]
  /// By pass and program; nil where a program has no such pass over elements.
  fileprivate let kernels: [UnsafeMutableBufferPointer<HostProgram?>]
  private let updates: [[descent_update?]]
  private let matrices: MatrixMemory?
  /// Sums, numbers and matrices of a step with such groups frozen and tensors left out.
  fileprivate var between: HostBetween?
  fileprivate var plan: HostPlan
  fileprivate var norm: HostNorm?
  private var accumulatePlan: HostPlan?
  var control = descent_control(lossScale: nil)
  var decided = DecidedSteps()

  init(_ programs: RulePrograms, options: CPUOptions) throws {
    let layout = programs.layout
    let set = options.instructions ?? .best
    // All passes of a rule are of one file, with the same scalars.
    let compiled = try programs.list.map { try CompiledRule($0.last) }
    let instructions = try HostKernels(set)
    let updates = try programs.list.map { program in
      try program.passes.map {
        $0.isIteration ? nil : try instructions.update(CompiledRule($0))
      }
    }
    if let threads = options.threads, threads < 1 {
      throw DescentError.value(
        of: "the CPU engine's number of threads", given: "\(threads)", allowed: "1 or more")
    }
    self.programs = programs
    self.instructions = instructions
    self.layout = layout
    let count = layout.count
    let states = try HostStates(programs, termCount: programs.storedTermCount)
    self.states = states
    let values = compiled.map { GroupValues($0, groups: layout.groupNames.count) }
    self.values = values
    plan = HostPlan(
      programs, nil, parameters: Pieces(count: count), gradients: Pieces(count: count))
    // Threads that never get a block would only wait.
    let useful = max(
      count < 4 * options.block ? 1 : (count + options.block - 1) / options.block,
      MatrixMemory.usefulThreads(programs))
    let threads = min(try options.threads ?? threadsAskedFor() ?? usableProcessors(), useful)
    block = options.block
    let pool = threads > 1 ? WorkerPool(threads: threads) : nil
    // The system may have refused some of them, or all.
    let started = pool?.threadCount ?? 1
    self.pool = started > 1 ? pool : nil
    matrices = try MatrixMemory(
      programs, instructions, threads: started, batch: options.matrixWorkspace)
    name = "cpu (\(set), \(started) thread\(started == 1 ? "" : "s"))"
    let passes = 0..<programs.passCount
    kernels = passes.map { pass in
      let own = programs.list.indices.map {
        states.elementsPass(pass, of: $0, updates[$0], values[$0].layout)
      }
      let memory = UnsafeMutableBufferPointer<HostProgram?>.allocate(capacity: own.count)
      _ = memory.initialize(from: own)
      return memory
    }
    self.updates = updates
  }

  deinit {
    for pass in kernels {
      for program in pass { program?.deallocate() }
      pass.deallocate()
    }
  }

  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) throws {
    var stepper = CPUStepper(engine: self, parameters: parameters, gradients: gradients)
    try stepper.take(step)
  }

  /// Makes what is between the passes over elements, unless that of the last step can be reused.
  fileprivate func prepareBetween(_ step: StepInput) {
    guard programs.passCount > 1 else { return }
    let (groups, leftOut) = (step.groups.groups, step.control.leftOut)
    if let between, between.leftOut == leftOut,
      zip(between.isFrozen, groups).allSatisfy({ $0 == $1.isFrozen })
    {
      return
    }
    between = HostBetween(
      programs, states, isFrozen: groups.map(\.isFrozen), leftOut: leftOut, updates,
      values.map(\.layout), instructions, matrices, threads: pool?.threadCount ?? 1)
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
      pool.run(blocks: (layout.count + block - 1) / block, context: pass) { pass, index, _ in
        pass.assumingMemoryBound(to: AccumulatePass.self).pointee.runBlock(index)
      }
    }
  }
}

/// A step over host memory.
private struct CPUStepper: Stepper {
  let engine: CPUEngine
  let parameters: HostPieces
  let gradients: HostPieces

  func prepare(_ step: StepInput) throws {
    try preparePlan(step.control)
    engine.prepareBetween(step)
    if step.average != nil { _ = try engine.states.makeAverageIfNeeded() }
  }

  /// Makes the plan and the norm for a step of this kind, unless the last step was of the kind.
  private func preparePlan(_ control: StepControl) throws {
    let norm = engine.norm
    let isNew = control.looks ? norm?.control.takesNorms(like: control) != true : norm != nil
    if !isNew { norm?.control = control }
    if !isNew && engine.plan.leftOut == control.leftOut
      && engine.plan.fits(parameters, gradients)
    {
      return
    }
    let made = control.looks ? isNew ? HostNorm(engine.layout, control) : norm : nil
    let cut = Pieces(gradients)
    try made?.check(cut)
    engine.plan = HostPlan(
      engine.programs, made?.plan.setOfTensor, leftOut: control.leftOut,
      parameters: Pieces(parameters), gradients: cut)
    engine.norm = made
  }

  func copyParameters(_ step: StepInput) { engine.states.begin(step, with: parameters) }

  func writeValues(_ step: StepInput) {
    for (index, values) in engine.values.enumerated() {
      step.write(to: values.memory, stride: values.stride, program: index)
    }
  }

  func decide(_ step: StepInput) {
    engine.norm?.measure(
      gradients, with: step.accumulates ? engine.states.sum : nil,
      scale: Float(step.gradientScale), &engine.control, engine.instructions.normTile, engine.pool)
    engine.countDecision()
  }

  func run(pass: Int, _ step: StepInput) {
    let (norm, block) = (engine.norm, engine.block)
    let isSkipped = norm != nil && engine.control.isSkipped != 0
    if isSkipped && !step.zeroes { return }
    let work = Pass(
      programs: UnsafeBufferPointer(engine.kernels[pass]), parameters: parameters,
      gradients: gradients, count: engine.layout.count, block: block, runs: engine.plan.runs,
      inverse: norm == nil ? 1 : engine.control.inverse,
      coefficients: norm.map { UnsafeBufferPointer($0.coefficients) }, isSkipped: isSkipped,
      zeroes: step.zeroes, instructions: engine.instructions,
      companion: engine.states.companion, sum: step.accumulates ? engine.states.sum : nil,
      average: step.average == nil ? nil : engine.states.average)
    if engine.kernels[pass].contains(where: { $0?.isFused == false }) { run(work) }
    if isSkipped { return }
    engine.between?.run(pass, work, engine.pool)
  }

  private func run(_ pass: Pass) {
    guard let pool = engine.pool else { return pass.run(0..<pass.count) }
    withUnsafePointer(to: pass) { pass in
      pool.run(blocks: (pass.pointee.count + engine.block - 1) / engine.block, context: pass) {
        pass, index, _ in
        pass.assumingMemoryBound(to: Pass.self).pointee.runBlock(index)
      }
    }
  }

  func finish(_ step: StepInput) {}
}
