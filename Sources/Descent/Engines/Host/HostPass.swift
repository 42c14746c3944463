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
  let parameters: [Int]
  let gradients: [Int]
  let leftOut: [Bool]
  let runs: UnsafeMutableBufferPointer<StepPlan.Run>

  convenience init(
    _ programs: RulePrograms, _ sets: [Int]?, leftOut: [Bool] = [], parameters: [Int],
    gradients: [Int]
  ) {
    self.init(
      programs.layout.stretches(sets: sets, leftOut: leftOut, programs: programs.ofGroup),
      count: programs.layout.count, leftOut: leftOut, states: programs.states,
      parameters: parameters, gradients: gradients)
  }

  init(
    _ stretches: [ParameterLayout.Stretch], count: Int, leftOut: [Bool] = [], states: [StateMap],
    parameters: [Int], gradients: [Int]
  ) {
    self.leftOut = leftOut
    let plan = StepPlan(
      stretches, parameters: starts(ofPieces: parameters),
      gradients: starts(ofPieces: gradients), states: states.map { ($0, [0, $0.count]) },
      vectors: [0, count])
    (self.parameters, self.gradients) = (plan.parameters, plan.gradients)
    runs = .allocate(capacity: plan.runs.count)
    _ = runs.initialize(from: plan.runs)
  }

  deinit { runs.deallocate() }

  func fits(_ parameters: HostPieces, _ gradients: HostPieces) -> Bool {
    Self.fits(parameters, self.parameters) && Self.fits(gradients, self.gradients)
  }

  static func fits(_ pieces: HostPieces, _ starts: [Int]) -> Bool {
    guard pieces.count + 1 == starts.count else { return false }
    for (index, piece) in pieces.enumerated()
    where starts[index + 1] - starts[index] != piece.count { return false }
    return true
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
  /// From the beginning of the layout.
  let beside: descent_beside

  /// Elements that are zeroed as soon as they are updated, while they are in the cache.
  static let zeroedAtOnce = 1 << 12

  func runBlock(_ index: Int) {
    let start = index * block
    run(start..<min(start + block, count))
  }

  /// Every run's part of the range.
  func run(_ range: Range<Int>) {
    withUnsafeTemporaryAllocation(
      of: UnsafeMutablePointer<Float>?.self, capacity: mostStates + 1
    ) { shifted in
      StepPlan.forEachPart(of: range, in: runs) { run, part in
        guard let x = parameters[run.parameters.piece].baseAddress,
          let g = gradients[run.gradients.piece].baseAddress
        else { return }
        update(
          run, part, x + (part.lowerBound - run.parameters.origin),
          g + (part.lowerBound - run.gradients.origin), shifted)
      }
    }
  }

  /// Updates a run's elements, which lie at these places, and zeroes their gradients if asked to.
  private func update(
    _ run: StepPlan.Run, _ range: Range<Int>, _ x: UnsafeMutablePointer<Float>,
    _ g: UnsafeMutablePointer<Float>,
    _ shifted: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>
  ) {
    let program = programs[run.program]
    let values = isSkipped ? nil : program.values.of(run.group)
    guard zeroes else {
      if let values { update(run, program, range, x, g, shifted, values) }
      return
    }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.zeroedAtOnce) {
      let part = start..<min(start + Self.zeroedAtOnce, range.upperBound)
      let offset = start - range.lowerBound
      if let values { update(run, program, part, x + offset, g + offset, shifted, values) }
      (g + offset).update(repeating: 0, count: part.count)
    }
  }

  private func update(
    _ run: StepPlan.Run, _ program: HostProgram, _ range: Range<Int>,
    _ x: UnsafeMutablePointer<Float>, _ g: UnsafeMutablePointer<Float>,
    _ shifted: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>,
    _ values: (preparation: UnsafeRawPointer, scalars: UnsafeRawPointer)
  ) {
    let start = range.lowerBound - run.states.origin
    for index in 0..<program.stateCount {
      shifted[index] = program.states[index].map { $0 + start }
    }
    guard let coefficients else {
      update(program, x, g, shifted, range, values.preparation, values.scalars)
      return
    }
    var preparation = values.preparation.load(as: Preparation<Float>.self)
    preparation.gradientScale = preparation.gradientScale * inverse * coefficients[run.set]
    withUnsafeBytes(of: preparation) { preparation in
      update(program, x, g, shifted, range, preparation.baseAddress, values.scalars)
    }
  }

  private func update(
    _ program: HostProgram, _ x: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>,
    _ states: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>, _ range: Range<Int>,
    _ preparation: UnsafeRawPointer?, _ scalars: UnsafeRawPointer?
  ) {
    if beside.sum == nil && beside.average == nil {
      program.kernel(x, g, states.baseAddress, range.count, preparation, scalars)
      return
    }
    let own = descent_beside(
      sum: beside.sum.map { $0 + range.lowerBound },
      average: beside.average.map { $0 + range.lowerBound }, averageWeight: beside.averageWeight)
    besideKernel(
      program.kernel, x, g, states.baseAddress, Int32(program.stateCount), range.count, preparation,
      scalars, own)
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
