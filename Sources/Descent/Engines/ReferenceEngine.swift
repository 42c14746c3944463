/// Plain Swift, one element at a time: for tests, and for reading.
final class ReferenceEngine: Engine {
  let name = "reference"
  private let states: HostStates

  private let stretches: [(range: Range<Int>, group: Int)]
  private let count: Int

  init(_ rule: any UpdateRule, layout: ParameterLayout) throws {
    states = try HostStates(rule, count: layout.count)
    (stretches, count) = (layout.stretches, layout.count)
  }

  func update(_ parameters: HostPieces, _ gradients: HostPieces, _ step: StepInput) {
    let plan = StepPlan(
      stretches, parameters: starts(ofPieces: parameters.map(\.count)),
      gradients: starts(ofPieces: gradients.map(\.count)), states: [0, count])
    for run in plan.runs where !step.groups.groups[run.group].isFrozen {
      guard let x = parameters[run.parameters.piece].baseAddress,
        let g = gradients[run.gradients.piece].baseAddress
      else { continue }
      Self.run(
        step.groups.rules[run.group], step.groups.counts[run.group] + 1, step.gradientScale,
        x + (run.start - run.parameters.origin), g + (run.start - run.gradients.origin),
        states.arrays.map { $0 + run.start }, run.count)
    }
  }

  private static func run<T: BinaryFloatingPoint>(
    _ rule: some UpdateRule, _ step: Int, _ gradientScale: Double, _ x: UnsafeMutablePointer<T>,
    _ g: UnsafePointer<T>, _ states: [UnsafeMutablePointer<T>], _ count: Int
  ) {
    let preparation = Preparation<T>(rule, gradientScale: gradientScale)
    rule.reference(
      ReferenceElements(
        parameters: x, gradients: g, states: states, count: count, preparation: preparation),
      at: step)
  }

  func readState(_ index: Int, _ range: Range<Int>, into destination: UnsafeMutablePointer<Float>) {
    states.read(index, range, into: destination)
  }

  func writeState(_ index: Int, _ range: Range<Int>, from source: UnsafePointer<Float>) {
    states.write(index, range, from: source)
  }
}

extension UpdateRule {
  /// One step in plain Swift over arrays of any floating-point type: in `Double` the truth that
  /// `Float` engines are measured against. `states` holds an array for each of ``stateNames``; `step`
  /// counts from 1. Throws ``DescentError`` if the lengths differ or a hyper-parameter is out of
  /// range.
  public func referenceUpdate<T: BinaryFloatingPoint>(
    _ parameters: inout [T], gradients: [T], states: inout [[T]], step: Int,
    gradientScale: Double = 1
  ) throws {
    try validate()
    try checkCounts(parameters.count, gradients.count, states.map(\.count), step: step)
    try checkScale(gradientScale)
    var pointers: [UnsafeMutablePointer<T>] = []
    // Arrays of arrays cannot lend all their elements at once, so the states go through copies.
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
          reference(
            ReferenceElements(
              parameters: x, gradients: g, states: pointers, count: gradients.count,
              preparation: preparation),
            at: step)
        }
      }
    }
    for index in states.indices {
      states[index] = Array(UnsafeBufferPointer(start: pointers[index], count: states[index].count))
    }
  }

  /// Throws unless every vector has the parameters' length, every state is there, and `step` is one.
  func checkCounts(_ parameters: Int, _ gradients: Int, _ states: [Int], step: Int) throws {
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
    guard step >= 1 else {
      throw DescentError.unsupported("a step is counted from 1, not \(step)")
    }
  }
}
