/// Steps of a rule of any kind in plain Swift, over a layout and in any floating-point type: in
/// `Double` the truth that engines in `Float` are measured against.
///
/// Passes run in their order, sums add one term after another, and the history moves on. Every
/// tensor follows the rule as it is; groups' settings, clipping and skipping are parts of an
/// ``Optimizer``.
package final class PlainSteps<T: BinaryFloatingPoint> {
  private let programs: RulePrograms
  private let x: [UnsafeMutablePointer<T>]
  private let states: [UnsafeMutablePointer<T>]
  private let terms: [UnsafeMutablePointer<T>]
  private var history: [Double]
  /// Steps taken.
  package private(set) var stepCount = 0

  private var program: RulePrograms.Program { programs.list[0] }
  private var layout: ParameterLayout { programs.layout }

  /// - Parameter parameters: as long as the layout.
  /// - Throws: ``DescentError`` where the rule or the count is not valid.
  package init(
    _ rule: any UpdateRule, layout: ParameterLayout, parameters: [T]
  ) throws {
    try rule.validate()
    let programs = RulePrograms(layout, rule)
    let program = programs.list[0]
    try program.validate(rule)
    try programs.checkMatrices(layout.groupNames.map { _ in rule })
    guard parameters.count == layout.count else {
      throw DescentError.count(
        of: "parameters", given: parameters.count, expected: layout.count)
    }
    func memory(_ values: [T]) -> UnsafeMutablePointer<T> {
      let memory = UnsafeMutablePointer<T>.allocate(capacity: max(1, values.count))
      memory.initialize(from: values, count: values.count)
      return memory
    }
    self.programs = programs
    x = [memory(parameters)]
    states = program.states.enumerated().map { index, state in
      if state.start == .parameters { return memory(parameters) }
      let counts = programs.counts(ofState: index, in: 0)
      return memory(
        counts.map { $0.map { T($0) } }
          ?? Array(
            repeating: T(state.initialValue), count: programs.count(ofState: index, in: 0)))
    }
    terms = (0..<programs.termCount).map { _ in memory(parameters) }
    history = rule.history.map(\.start)
  }

  deinit { for memory in x + states + terms { memory.deallocate() } }

  /// The parameters as they are now.
  package var parameters: [T] { Array(UnsafeBufferPointer(start: x[0], count: layout.count)) }

  /// The states that are kept, by name.
  package var savedStates: [String: [T]] {
    var result: [String: [T]] = [:]
    for (index, state) in program.states.enumerated() where state.isSaved {
      let count = programs.count(ofState: index, in: 0)
      result[state.name] = Array(UnsafeBufferPointer(start: states[index], count: count))
    }
    return result
  }

  /// Takes a step.
  ///
  /// - Parameters:
  ///   - rule: the one that these steps were made with, at any learning rate.
  ///   - gradients: as many as parameters.
  package func take(_ rule: some UpdateRule, gradients: [T]) throws {
    try rule.validate()
    guard gradients.count == layout.count else {
      throw DescentError.count(of: "gradients", given: gradients.count, expected: layout.count)
    }
    stepCount += 1
    withDefaultFloatingPoint {
      gradients.withUnsafeBufferPointer { gradients in
        guard let gradients = gradients.baseAddress else { return }
        for (index, pass) in program.passes.enumerated() {
          switch pass.work {
          case .numbers(let shape): updateNumbers(shape, index, rule)
          case .iteration: pass.iterate(programs.matrices(of: 0), of: program, states)
          case .elements, .sums:
            update(index, rule, gradients)
            for (term, sum) in zip(pass.terms, pass.sums) { add(terms[term], for: sum) }
          }
        }
      }
      _ = rule.scalars(at: stepCount, history: &history)
    }
  }

  private func run(
    _ pass: Int, _ place: NumberPlace, _ rule: some UpdateRule, _ elements: ReferenceElements<T>
  ) {
    var elements = elements
    elements.history = history
    elements.set(pass: pass, of: program, states, at: place)
    rule.reference(elements, at: stepCount)
  }

  private func update(
    _ pass: Int, _ rule: some UpdateRule, _ gradients: UnsafePointer<T>
  ) {
    for stretch in programs.stretches(sets: nil, leftOut: []) {
      let first = stretch.range.lowerBound
      let own = programs.states[0].place(of: stretch.range).lowerBound
      var elements = ReferenceElements(
        parameters: x[0] + first, gradients: gradients + first,
        states: program.elements.map { states[$0] + own }, count: stretch.range.count,
        preparation: Preparation(rule, gradientScale: 1))
      elements.terms = (0..<program.passes[pass].termCount).map { terms[$0] + first }
      run(pass, stretch.place, rule, elements)
    }
  }

  private func updateNumbers(_ shape: StateShape, _ pass: Int, _ rule: some UpdateRule) {
    for stretch in programs.stretches(
      ofNumbers: shape, program: 0, leftOut: [], isIdle: { _ in false })
    {
      let first = stretch.range.lowerBound
      run(
        pass, stretch.place, rule,
        ReferenceElements(
          states: program.numbers(of: shape).map { states[$0] + first },
          count: stretch.range.count, preparation: Preparation(rule, gradientScale: 1)))
    }
  }

  private func add(_ terms: UnsafeMutablePointer<T>, for sum: RuleSum) {
    guard let index = programs.index(of: sum.state, in: 0) else { return }
    let plan = SumPlan(
      programs, program: 0, over: program.states[index].shape, leftOut: [], isIdle: { _ in false })
    let starts = plan.numbers.starts
    for (number, place) in plan.places.enumerated() {
      let tiles = plan.numbers.list[Int(starts[number])..<Int(starts[number + 1])]
      let own = tiles.flatMap { index in
        let tile = plan.tiles[Int(index)]
        return (0..<tile.count).map { terms[tile.start + $0 * tile.stride] }
      }
      states[index][place] = Self.reduced(own, sum.reduction)
    }
  }

  /// Reduces terms as ``RuleSum/Reduction`` defines. Norms are scaled by the greatest term, so that
  /// none overflows.
  private static func reduced(_ terms: [T], _ reduction: RuleSum.Reduction) -> T {
    if terms.contains(where: \.isNaN) { return .nan }
    let peak = terms.reduce(T.zero) { max($0, $1.magnitude) }
    switch reduction {
    case .sum: return peak.isFinite ? terms.reduce(T.zero, +) : .nan
    case .largest: return peak
    case .norm:
      if peak == 0 || !peak.isFinite { return peak }
      let squares = terms.reduce(T.zero) { sum, term in
        let scaled = term / peak
        return sum + scaled * scaled
      }
      return peak * squares.squareRoot()
    }
  }
}
