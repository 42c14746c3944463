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

  /// A view without reference counting, for use on worker threads.
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
      programs.stretches(sets: sets, leftOut: leftOut),
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

/// A vector argument of a pass.
struct HostOperand {
  enum Place {
    /// In pieces, as the caller has them.
    case parameters, gradients
    /// In the program's states of the parameters' shape, or in the layout.
    case states, layout
    /// A term of a fused sum, by its number.
    case scratch(Int)
  }

  let place: Place
  /// The first element; nil for the caller's vectors and for scratch.
  let memory: ElementPointer?
}

/// Numbers of another shape than the parameters'.
struct HostNumbers {
  let shape: StateShape
  let memory: UnsafePointer<Float>
}

/// A pass of a program over elements.
struct HostProgram {
  let kernel: descent_update
  let operands: UnsafeMutableBufferPointer<HostOperand>
  let numbers: UnsafeMutableBufferPointer<HostNumbers>
  let values: GroupValues.Layout
  /// Whether it is the program's last pass, which may zero gradients and updates the average.
  let isLast: Bool
  /// Whether its terms are summed tile by tile, by ``HostSums``.
  let isFused: Bool
  /// Whether the rule uses the gradients.
  let readsGradients: Bool

  init(
    _ kernel: descent_update, operands: [HostOperand], numbers: [HostNumbers],
    values: GroupValues.Layout, isLast: Bool, isFused: Bool, readsGradients: Bool
  ) {
    (self.kernel, self.values) = (kernel, values)
    (self.isLast, self.isFused, self.readsGradients) = (isLast, isFused, readsGradients)
    self.operands = .allocate(capacity: operands.count)
    _ = self.operands.initialize(from: operands)
    self.numbers = .allocate(capacity: numbers.count)
    _ = self.numbers.initialize(from: numbers)
  }

  func deallocate() {
    operands.deallocate()
    numbers.deallocate()
  }
}

/// One step's pass over memory, any part of which any thread can run.
struct Pass {
  /// By program; nil where a program has no such pass.
  let programs: UnsafeBufferPointer<HostProgram?>
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
  let instructions: HostKernels
  /// What the parameters' storage keeps of them, the sum of earlier gradients and the average of
  /// the parameters, from the beginning of the layout; nil where the step has none.
  let companion: ElementPointer?
  let sum: ElementPointer?
  let average: ElementPointer?
  /// Memory for the terms of a tile, for the pass that is fused with its sums; nil for the others.
  var scratch: Scratch?

  /// Elements that are zeroed as soon as they are updated, while they are in the cache.
  static let zeroedAtOnce = 1 << 12

  func runBlock(_ index: Int) {
    let start = index * block
    run(start..<min(start + block, count))
  }

  /// Memory for the terms of one tile.
  struct Scratch {
    /// The program whose pass is fused.
    let program: Int
    /// `Tile.length` elements for each term.
    let terms: UnsafeMutablePointer<Float>
    /// The tile's first element.
    let origin: Int
  }

  /// Every run's part of the range: of programs that are not fused or, with ``scratch``, of that
  /// one.
  func run(_ range: Range<Int>) {
    let most = Int(DESCENT_MOST_STATES + DESCENT_MOST_TERMS) + 2
    withUnsafeTemporaryAllocation(
      of: UnsafeMutableRawPointer?.self, capacity: most
    ) { operands in
      withUnsafeTemporaryAllocation(
        of: descent_number.self, capacity: Int(DESCENT_MOST_NUMBERS) + 1
      ) { numbers in
        StepPlan.forEachPart(of: range, in: runs) { run, part in
          guard let program = programs[run.program],
            program.isFused ? scratch?.program == run.program : scratch == nil
          else { return }
          update(run, part, program, operands, numbers)
        }
      }
    }
  }

  private typealias Operands = UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>
  private typealias Numbers = UnsafeMutableBufferPointer<descent_number>

  /// Updates a run's elements, and in the program's last pass zeroes their gradients if requested.
  private func update(
    _ run: StepPlan.Run, _ range: Range<Int>, _ program: HostProgram, _ operands: Operands,
    _ numbers: Numbers
  ) {
    let values = isSkipped ? nil : program.values.of(run.group)
    guard zeroes && program.isLast else {
      if let values { update(run, program, range, operands, numbers, values) }
      return
    }
    guard let piece = gradients[run.gradients.piece].start else { return }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.zeroedAtOnce) {
      let part = start..<min(start + Self.zeroedAtOnce, range.upperBound)
      if let values { update(run, program, part, operands, numbers, values) }
      (piece + (start - run.gradients.origin)).zero(count: part.count)
    }
  }

  private func update(
    _ run: StepPlan.Run, _ program: HostProgram, _ range: Range<Int>, _ operands: Operands,
    _ numbers: Numbers, _ values: (preparation: UnsafeRawPointer, scalars: UnsafeRawPointer)
  ) {
    let start = range.lowerBound
    for (index, operand) in program.operands.enumerated() {
      let (vector, distance) =
        switch operand.place {
        // A kernel may load what its rule ignores, so these have to be as many elements.
        case .gradients where !program.readsGradients, .parameters:
          (parameters[run.parameters.piece].start, start - run.parameters.origin)
        case .gradients: (gradients[run.gradients.piece].start, start - run.gradients.origin)
        case .states: (operand.memory, start - run.states.origin)
        case .layout: (operand.memory, start)
        case .scratch(let term):
          (
            scratch.map { ElementPointer($0.terms) },
            term * Tile.length + start - (scratch?.origin ?? 0)
          )
        }
      operands[index] = vector.map { ($0 + distance).address }
    }
    for (index, own) in program.numbers.enumerated() {
      let (first, step) = (run.place.index(of: own.shape), own.shape.step)
      numbers[index] = descent_number(
        at: own.memory + first + step * (start - run.start), step: step)
    }
    numbers[program.numbers.count] = descent_number(at: nil, step: 0)
    guard let coefficients else {
      update(program, operands, numbers, range, values.preparation, values.scalars)
      return
    }
    var preparation = values.preparation.load(as: Preparation<Float>.self)
    preparation.gradientScale = preparation.gradientScale * inverse * coefficients[run.set]
    withUnsafeBytes(of: preparation) { preparation in
      update(program, operands, numbers, range, preparation.baseAddress, values.scalars)
    }
  }

  private func update(
    _ program: HostProgram, _ operands: Operands, _ numbers: Numbers, _ range: Range<Int>,
    _ preparation: UnsafeRawPointer?, _ scalars: UnsafeRawPointer?
  ) {
    let average = program.isLast ? average : nil
    let sum = program.readsGradients ? sum : nil
    instructions.update(
      program.kernel,
      UnsafeBufferPointer(start: operands.baseAddress, count: program.operands.count),
      program.readsGradients ? gradients.type : parameters.type, numbers.baseAddress,
      companion: companion.map { $0 + range.lowerBound }, sum: sum.map { $0 + range.lowerBound },
      average: average.map { $0 + range.lowerBound }, writesParameters: program.isLast,
      count: range.count, preparation, scalars)
  }
}

/// A gradient's way into a sum, any part of which any thread can go.
struct AccumulatePass {
  let kernel: descent_accumulate
  let gradients: HostPieces
  let sum: ElementPointer
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
      guard let piece = gradients[run.gradients.piece].start else { return }
      let g = piece + (part.lowerBound - run.gradients.origin)
      // Zeroed while they are in the cache.
      let most = zeroes ? Pass.zeroedAtOnce : part.count
      for start in stride(from: 0, to: part.count, by: most) {
        let count = min(most, part.count - start)
        kernel(
          (sum + (part.lowerBound + start)).floats, (g + start).address, gradients.type.code, count,
          begins)
        if zeroes { (g + start).zero(count: count) }
      }
    }
  }
}
