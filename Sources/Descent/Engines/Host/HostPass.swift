internal import DescentKernels

/// Memory for what kernels need of each group, written anew in every step.
final class GroupValues {
  let stride: Int
  let memory: UnsafeMutableRawBufferPointer

  /// For the groups, and for what is left out.
  init(_ rule: CompiledRule, groups: Int) {
    stride = GroupRow.stride(rule)
    memory = .allocate(byteCount: (groups + 1) * stride, alignment: 16)
    memory.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { memory.deallocate() }

  /// For threads, which then count no reference.
  var layout: Layout { Layout(memory: UnsafeRawBufferPointer(memory), stride: stride) }

  struct Layout {
    let memory: UnsafeRawBufferPointer
    let stride: Int

    /// Preparation and scalars of a group, or nil while it is frozen or what is left out.
    func of(_ group: Int) -> (preparation: UnsafeRawPointer, scalars: UnsafeRawPointer)? {
      guard let start = memory.baseAddress.map({ $0 + group * stride }),
        start.load(fromByteOffset: GroupRow.frozenOffset, as: UInt32.self) == 0
      else { return nil }
      return (start, start + GroupRow.scalarsOffset)
    }
  }
}

/// A plan's runs where any thread can read them.
final class HostPlan {
  let parameters: Pieces
  let gradients: Pieces
  let leftOut: [Bool]
  let runs: UnsafeMutableBufferPointer<StepPlan.Run>

  convenience init(
    _ programs: RulePrograms, _ sets: [Int]?, leftOut: [Bool] = [], parameters: Pieces,
    gradients: Pieces
  ) {
    self.init(
      programs.layout.stretches(sets: sets, leftOut: leftOut, programs: programs.ofGroup),
      count: programs.layout.count, leftOut: leftOut, states: programs.states,
      parameters: parameters, gradients: gradients)
  }

  init(
    _ stretches: [ParameterLayout.Stretch], count: Int, leftOut: [Bool] = [], states: [StateMap],
    parameters: Pieces, gradients: Pieces
  ) {
    self.leftOut = leftOut
    let plan = StepPlan(
      stretches, parameters: parameters, gradients: gradients,
      states: states.map { ($0, Pieces(count: $0.count)) }, vectors: Pieces(count: count))
    (self.parameters, self.gradients) = (parameters, gradients)
    runs = .allocate(capacity: plan.runs.count)
    _ = runs.initialize(from: plan.runs)
  }

  deinit { runs.deallocate() }

  func fits(_ parameters: HostPieces, _ gradients: HostPieces) -> Bool {
    self.parameters.fit(parameters) && self.gradients.fit(gradients)
  }
}

/// A program as a pass runs it.
struct HostProgram {
  let kernel: descent_update
  let states: UnsafePointer<UnsafeMutablePointer<Float>?>
  let stateCount: Int
  let values: GroupValues.Layout
}

/// One step's pass over memory, any part of which any thread can run.
struct Pass {
  let programs: UnsafeBufferPointer<HostProgram>
  /// The most states of a program.
  let mostStates: Int
  let parameters: HostPieces
  let gradients: HostPieces
  let count: Int
  let block: Int
  let runs: UnsafeMutableBufferPointer<StepPlan.Run>
  /// Of the loss scale.
  let inverse: Float
  /// By clipping set; nil where nothing was looked at.
  let coefficients: UnsafeBufferPointer<Float>?
  let isSkipped: Bool
  let zeroes: Bool
  let besideKernel: descent_update_beside
  /// The sum of earlier gradients and the average of the parameters, from the beginning of the
  /// layout; nil where the step has none.
  let sum: UnsafeMutablePointer<Float>?
  let average: UnsafeMutablePointer<Float>?

  /// Elements that are zeroed as soon as they are updated, while they are in the cache.
  static let zeroedAtOnce = 1 << 12

  func runBlock(_ index: Int) {
    let start = index * block
    run(start..<min(start + block, count))
  }

  /// Every run's part of the range.
  func run(_ range: Range<Int>) {
    withUnsafeTemporaryAllocation(
      of: UnsafeMutablePointer<Float>?.self, capacity: mostStates + 2
    ) { operands in
      StepPlan.forEachPart(of: range, in: runs) { run, part in
        guard let x = parameters[run.parameters.piece].baseAddress,
          let g = gradients[run.gradients.piece].baseAddress
        else { return }
        update(
          run, part, x + (part.lowerBound - run.parameters.origin),
          g + (part.lowerBound - run.gradients.origin), operands)
      }
    }
  }

  /// Updates a run's elements, which lie at these places, and zeroes their gradients if asked to.
  private func update(
    _ run: StepPlan.Run, _ range: Range<Int>, _ x: UnsafeMutablePointer<Float>,
    _ g: UnsafeMutablePointer<Float>,
    _ operands: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>
  ) {
    let program = programs[run.program]
    let values = isSkipped ? nil : program.values.of(run.group)
    guard zeroes else {
      if let values { update(run, program, range, x, g, operands, values) }
      return
    }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.zeroedAtOnce) {
      let part = start..<min(start + Self.zeroedAtOnce, range.upperBound)
      let offset = start - range.lowerBound
      if let values { update(run, program, part, x + offset, g + offset, operands, values) }
      (g + offset).update(repeating: 0, count: part.count)
    }
  }

  private func update(
    _ run: StepPlan.Run, _ program: HostProgram, _ range: Range<Int>,
    _ x: UnsafeMutablePointer<Float>, _ g: UnsafeMutablePointer<Float>,
    _ operands: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>,
    _ values: (preparation: UnsafeRawPointer, scalars: UnsafeRawPointer)
  ) {
    let start = range.lowerBound - run.states.origin
    (operands[0], operands[1]) = (x, g)
    for index in 0..<program.stateCount {
      operands[index + 2] = program.states[index].map { $0 + start }
    }
    guard let coefficients else {
      update(program, operands, range, values.preparation, values.scalars)
      return
    }
    var preparation = values.preparation.load(as: Preparation<Float>.self)
    preparation.gradientScale = preparation.gradientScale * inverse * coefficients[run.set]
    withUnsafeBytes(of: preparation) { preparation in
      update(program, operands, range, preparation.baseAddress, values.scalars)
    }
  }

  private func update(
    _ program: HostProgram,
    _ operands: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>, _ range: Range<Int>,
    _ preparation: UnsafeRawPointer?, _ scalars: UnsafeRawPointer?
  ) {
    if sum == nil && average == nil {
      program.kernel(operands.baseAddress, range.count, preparation, scalars)
      return
    }
    besideKernel(
      program.kernel, operands.baseAddress, Int32(program.stateCount),
      sum.map { $0 + range.lowerBound }, average.map { $0 + range.lowerBound }, range.count,
      preparation, scalars)
  }
}

/// A gradient's way into a sum, any part of which any thread can go.
struct AccumulatePass {
  let kernel: descent_accumulate
  let gradients: HostPieces
  let sum: UnsafeMutablePointer<Float>
  let runs: UnsafeMutableBufferPointer<StepPlan.Run>
  let count: Int
  let block: Int
  let begins: Bool
  let zeroes: Bool

  func runBlock(_ index: Int) {
    let start = index * block
    run(start..<min(start + block, count))
  }

  func run(_ range: Range<Int>) {
    StepPlan.forEachPart(of: range, in: runs) { run, part in
      guard let piece = gradients[run.gradients.piece].baseAddress else { return }
      let g = piece + (part.lowerBound - run.gradients.origin)
      // Zeroed while they are in the cache.
      let most = zeroes ? Pass.zeroedAtOnce : part.count
      for start in stride(from: 0, to: part.count, by: most) {
        let count = min(most, part.count - start)
        kernel(sum + part.lowerBound + start, g + start, count, begins)
        if zeroes { (g + start).update(repeating: 0, count: count) }
      }
    }
  }
}
