internal import DescentKernels

/// Plain Swift, one element at a time: for tests, and for reading.
final class ReferenceEngine: HostEngine {
  let name = "reference"
  let states: HostStates
  fileprivate let programs: RulePrograms
  fileprivate var layout: ParameterLayout { programs.layout }
  var control = descent_control(lossScale: nil)
  var decided = DecidedSteps()

  init(_ programs: RulePrograms) throws {
    states = try HostStates(programs, termCount: programs.termCount)
    self.programs = programs
  }

  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) throws {
    var stepper = ReferenceStepper(engine: self, parameters: parameters, gradients: gradients)
    try stepper.take(step)
  }

  func accumulate(_ gradients: HostPieces, begins: Bool, zeroes: Bool) throws {
    let sum = try states.makeSumIfNeeded().floats
    HostVector(gradients).forEachPart(of: layout.occupied) { range, memory in
      for i in range {
        let g = memory.value(at: i - range.lowerBound)
        sum[i] = begins ? g : ReferenceBeside.accumulated(sum[i], g)
      }
      if zeroes { memory.zero(count: range.count) }
    }
  }
}

/// A step in plain Swift.
private struct ReferenceStepper: Stepper {
  let engine: ReferenceEngine
  let parameters: HostPieces
  let gradients: HostPieces
  private var norm: NormPlan?
  private var plan: StepPlan?
  /// A coefficient for each clipping set; nil where nothing was looked at.
  private var coefficients: [Float]?

  init(engine: ReferenceEngine, parameters: HostPieces, gradients: HostPieces) {
    (self.engine, self.parameters, self.gradients) = (engine, parameters, gradients)
  }

  mutating func prepare(_ step: StepInput) throws {
    let (programs, layout) = (engine.programs, engine.layout)
    norm = step.control.looks ? NormPlan(layout, step.control) : nil
    _ = try norm?.pieces(of: Pieces(gradients))
    plan = StepPlan(
      programs.stretches(sets: norm?.setOfTensor, leftOut: step.control.leftOut),
      parameters: Pieces(parameters), gradients: Pieces(gradients),
      states: programs.states.map { ($0, Pieces(count: $0.count)) },
      vectors: Pieces(count: layout.count))
    if step.average != nil { _ = try engine.states.makeAverageIfNeeded() }
  }

  func copyParameters(_ step: StepInput) { engine.states.begin(step, with: parameters) }

  /// Each group's are computed where they are needed.
  func writeValues(_ step: StepInput) {}

  mutating func decide(_ step: StepInput) throws {
    guard let plan = norm else { return }
    let cut = Pieces(gradients)
    let pieces = try plan.pieces(of: cut)
    let tiles = zip(plan.tiles, pieces).map { tile, piece in
      guard let start = gradients[piece].start else { return ReferenceNorm.Partial() }
      return whole(start + (tile.start - cut.starts[piece]), tile.start, tile.count, step)
        .withUnsafeBufferPointer { ReferenceNorm.tile($0) }
    }
    let tensors = Self.folds(tiles, plan.tensors)
    let sets = Self.folds(tensors, plan.sets)
    let scale = Float(step.gradientScale)
    let total = sets[sets.count - 1]
    ReferenceNorm.decide(&engine.control, total, gradientScale: scale, step.control.lossScale)
    engine.countDecision()
    coefficients = zip(sets, plan.limits).map { sum, limits in
      ReferenceNorm.coefficient(
        sum, gradientScale: engine.control.scale, limit: limits.limit, epsilon: limits.epsilon)
    }
  }

  func run(pass: Int, _ step: StepInput) {
    let isSkipped = coefficients != nil && engine.control.isSkipped != 0
    for run in plan?.runs ?? [] {
      let passes = engine.programs.list[run.program].passes
      guard pass < passes.count, passes[pass].shape == .parameter,
        let x = parameters[run.parameters.piece].start,
        let g = gradients[run.gradients.piece].start
      else { continue }
      let gradient = g + (run.start - run.gradients.origin)
      if !isSkipped && !step.isIdle(run.group) {
        withFloats(x + (run.start - run.parameters.origin), run, passes[pass]) {
          update(run, pass, $0, gradient, step)
        }
      }
      if step.zeroes && passes[pass].work == .elements { gradient.zero(count: run.count) }
    }
    if isSkipped { return }
    for (index, program) in engine.programs.list.enumerated() where pass < program.passes.count {
      sum(index, pass, step)
      if case .numbers(let shape) = program.passes[pass].work {
        updateNumbers(shape, of: index, pass, step)
      }
      program.passes[pass].iterate(
        engine.programs.matrices(of: index, leftOut: step.control.leftOut, isIdle: step.isIdle),
        of: program, engine.states.ofPrograms[index].arrays.map(\.floats))
    }
  }

  func finish(_ step: StepInput) {}

  /// The parameters of a run as Floats, which a pass may write.
  private func withFloats(
    _ x: ElementPointer, _ run: StepPlan.Run, _ pass: RulePass,
    _ body: (UnsafeMutablePointer<Float>) -> Void
  ) {
    guard let companion = engine.states.companion else { return body(x.floats) }
    let stored = StoredParameters(parameters: x, companion: companion + run.start)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, run.count)) {
      guard let floats = $0.baseAddress else { return }
      stored.copyFloats(to: floats, count: run.count)
      body(floats)
      if pass.work == .elements { stored.store(floats, count: run.count) }
    }
  }

  private func update(
    _ run: StepPlan.Run, _ pass: Int, _ x: UnsafeMutablePointer<Float>,
    _ g: ElementPointer, _ step: StepInput
  ) {
    let program = engine.programs.list[run.program]
    let arrays = engine.states.ofPrograms[run.program].arrays.map(\.floats)
    whole(g, run.start, run.count, step).withUnsafeBufferPointer { whole in
      var elements = elements(run.group, set: run.set, step) {
        ReferenceElements(
          parameters: x, gradients: whole.baseAddress,
          states: program.elements.map { arrays[$0] + (run.start - run.states.origin) },
          count: run.count, preparation: $0)
      }
      elements.terms = (0..<program.passes[pass].termCount).map {
        engine.states.terms.arrays[$0].floats + run.start
      }
      elements.set(pass: pass, of: program, arrays, at: run.place)
      Self.update(step.groups.rules[run.group], elements, step, run.group)
    }
    guard program.passes[pass].work == .elements, let weight = step.average?.weight,
      let average = engine.states.average?.floats
    else { return }
    for i in 0..<run.count {
      average[run.start + i] = ReferenceBeside.averaged(average[run.start + i], x[i], weight)
    }
  }

  /// Sums the terms of a pass, and writes their results.
  private func sum(_ program: Int, _ pass: Int, _ step: StepInput) {
    let programs = engine.programs
    let own = programs.list[program].passes[pass]
    for (term, sum) in zip(own.terms, own.sums) {
      guard let index = programs.index(of: sum.state, in: program) else { continue }
      let plan = SumPlan(
        programs, program: program, over: programs.list[program].states[index].shape,
        leftOut: step.control.leftOut, isIdle: step.isIdle)
      let memory = engine.states.terms.arrays[term].floats
      let isOfSquares = sum.reduction.isOfSquares
      let tiles = plan.tiles.map { tile in
        ReferenceNorm.tile(
          (0..<tile.count).map { memory[tile.start + $0 * tile.stride] }, ofSquares: isOfSquares)
      }
      for (place, ends) in zip(
        plan.places, zip(plan.numbers.starts, plan.numbers.starts.dropFirst()))
      {
        let own = plan.numbers.list[Int(ends.0)..<Int(ends.1)].map { tiles[Int($0)] }
        engine.states.ofPrograms[program].arrays[index].floats[place] = ReferenceNorm.value(
          ReferenceNorm.fold(own, ofSquares: isOfSquares), sum.reduction)
      }
    }
  }

  private func updateNumbers(
    _ shape: StateShape, of index: Int, _ pass: Int, _ step: StepInput
  ) {
    let program = engine.programs.list[index]
    let arrays = engine.states.ofPrograms[index].arrays.map(\.floats)
    for stretch in engine.programs.stretches(
      ofNumbers: shape, program: index, leftOut: step.control.leftOut, isIdle: step.isIdle)
    where !step.isIdle(stretch.group) {
      var elements = elements(stretch.group, set: 0, step) {
        ReferenceElements(
          states: program.numbers(of: shape).map { arrays[$0] + stretch.range.lowerBound },
          count: stretch.range.count, preparation: $0)
      }
      elements.set(pass: pass, of: program, arrays, at: stretch.place)
      Self.update(step.groups.rules[stretch.group], elements, step, stretch.group)
    }
  }

  /// Elements with what prepares a group's gradients, and the group's history.
  private func elements(
    _ group: Int, set: Int, _ step: StepInput,
    _ make: (Preparation<Float>) -> ReferenceElements<Float>
  ) -> ReferenceElements<Float> {
    let rule = step.groups.rules[group]
    func preparation(_ rule: some UpdateRule) -> Preparation<Float> {
      Preparation<Float>(
        rule.with(learningRate: step.learningRate(ofGroup: group)),
        gradientScale: step.gradientScale,
        limit: step.control.clipping(ofGroup: group)?.valueLimit ?? .infinity)
    }
    var own = preparation(rule)
    if let coefficients {
      own.gradientScale = own.gradientScale * engine.control.inverse * coefficients[set]
    }
    var elements = make(own)
    elements.history = step.groups.histories[group]
    return elements
  }

  private static func update(
    _ rule: some UpdateRule, _ elements: ReferenceElements<Float>, _ step: StepInput, _ group: Int
  ) {
    rule.with(learningRate: step.learningRate(ofGroup: group)).reference(
      elements, at: step.groups.counts[group] + 1)
  }

  /// Elements of the gradient, with the sum of those before it where there is one.
  private func whole(
    _ gradient: ElementPointer, _ start: Int, _ count: Int, _ step: StepInput
  ) -> [Float] {
    let own = (0..<count).map { gradient.value(at: $0) }
    guard step.accumulates, let sum = engine.states.sum?.floats else { return own }
    return own.indices.map { ReferenceBeside.accumulated(sum[start + $0], own[$0]) }
  }

  private static func folds(
    _ terms: [ReferenceNorm.Partial], _ lists: (list: [Int32], starts: [Int32])
  ) -> [ReferenceNorm.Partial] {
    zip(lists.starts, lists.starts.dropFirst()).map { first, end in
      ReferenceNorm.fold(lists.list[Int(first)..<Int(end)].map { terms[Int($0)] })
    }
  }
}

extension ReferenceElements {
  /// Sets which of a program's passes this is, and the numbers of other shapes that it reads from a
  /// place on.
  mutating func set(
    pass: Int, of program: RulePrograms.Program, _ states: [UnsafeMutablePointer<T>],
    at place: NumberPlace
  ) {
    self.pass = pass
    let isOverElements = program.passes[pass].shape == .parameter
    numbers = program.numbers(ofPass: pass).map {
      let shape = program.states[$0].shape
      return Numbers(
        memory: states[$0] + place.index(of: shape), step: isOverElements ? shape.step : 0)
    }
  }
}

extension RulePass {
  /// Iterates matrices in plain Swift, if this is such a pass.
  func iterate<T: BinaryFloatingPoint>(
    _ matrices: [TensorMatrix], of program: RulePrograms.Program,
    _ states: [UnsafeMutablePointer<T>]
  ) {
    guard case .iteration(let iteration, let state, let number) = work,
      let state = program.states.firstIndex(where: { $0.name == state }),
      let number = program.states.firstIndex(where: { $0.name == number })
    else { return }
    for matrix in matrices {
      ReferenceNewtonSchulz.iterate(
        states[state] + matrix.start, rows: matrix.rows, columns: matrix.columns,
        dividedBy: states[number][matrix.number], iteration)
    }
  }
}

extension UpdateRule {
  /// One step in plain Swift over arrays of any floating-point type: in `Double` the truth that
  /// `Float` engines are measured against. `states` holds an array for each of ``stateNames``;
  /// `step` counts from 1 to ``OptimizerStatus/maximumStepCount``. Throws ``DescentError`` if the
  /// lengths differ or a hyper-parameter is out of range.
  public func referenceUpdate<T: BinaryFloatingPoint>(
    _ parameters: inout [T], gradients: [T], states: inout [[T]], step: Int,
    gradientScale: Double = 1
  ) throws {
    var none: [Double] = []
    try referenceUpdate(
      &parameters, gradients: gradients, states: &states, history: &none, step: step,
      gradientScale: gradientScale)
  }

  /// The same for a rule with a ``history``, which the step moves on: before the first one it holds
  /// the values that the rule's history starts with.
  public func referenceUpdate<T: BinaryFloatingPoint>(
    _ parameters: inout [T], gradients: [T], states: inout [[T]], history: inout [Double],
    step: Int, gradientScale: Double = 1
  ) throws {
    try validate()
    try checkCounts(
      parameters.count, gradients.count, states.map(\.count), history: history.count, step: step)
    try checkScale(gradientScale)
    var pointers: [UnsafeMutablePointer<T>] = []
    // An array of arrays cannot give pointers to all its elements at once, so the states are
    // copied.
    for state in states {
      let copy = UnsafeMutablePointer<T>.allocate(capacity: max(1, state.count))
      copy.initialize(from: state, count: state.count)
      pointers.append(copy)
    }
    defer { for pointer in pointers { pointer.deallocate() } }
    withDefaultFloatingPoint {
      let preparation = Preparation<T>(self, gradientScale: gradientScale)
      parameters.withUnsafeMutableBufferPointer { x in
        gradients.withUnsafeBufferPointer { g in
          guard let x = x.baseAddress, let g = g.baseAddress else { return }
          var elements = ReferenceElements(
            parameters: x, gradients: g, states: pointers, count: gradients.count,
            preparation: preparation)
          elements.history = history
          reference(elements, at: step)
        }
      }
      if !history.isEmpty { advance(&history, at: step, learningRate: nil) }
    }
    for index in states.indices {
      states[index] = Array(UnsafeBufferPointer(start: pointers[index], count: states[index].count))
    }
  }

  /// Throws unless every vector has the parameters' length, every state and every value of the
  /// history is there, and `step` is one.
  func checkCounts(
    _ parameters: Int, _ gradients: Int, _ states: [Int], history: Int = 0, step: Int
  ) throws {
    guard gradients == parameters else {
      throw DescentError.count(of: "gradients", given: gradients, expected: parameters)
    }
    guard states.count == stateNames.count else {
      throw DescentError.count(
        of: "states of \(Self.name)", given: states.count, expected: stateNames.count)
    }
    for (name, count) in zip(stateNames, states) where count != parameters {
      throw DescentError.count(of: "state \"\(name)\"", given: count, expected: parameters)
    }
    try checkStep(step)
    guard !needsTensors, history == self.history.count else {
      throw DescentError.unsupported(
        "\(Self.name) takes several passes over whole tensors, or has numbers that are kept from "
          + "step to step; an Optimizer has both")
    }
  }

  /// Whether a step needs more than vectors of elements: whole tensors, or a history.
  package var needsOptimizer: Bool { needsTensors || !history.isEmpty }

  /// Whether its tensors have to be matrices.
  package var needsMatrices: Bool { passes.contains(where: \.isIteration) }

  private var needsTensors: Bool {
    passes.count > 1 || !states.allSatisfy { $0.shape == .parameter && $0.isSaved }
  }
}
