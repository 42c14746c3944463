/// What an engine over host memory keeps from step to step: the states of each program, and the sum
/// of gradients and the average of the parameters once there are such.
final class HostStates {
  /// By program: every state, whatever its shape.
  let ofPrograms: [HostVectors]
  /// The terms of a pass, each a vector; none where sums are fused with their pass.
  let terms: HostVectors
  let programs: RulePrograms
  /// What the parameters' storage keeps of them.
  private let companionVector: HostVectors?
  private var sumVector: HostVectors?
  private var averageVector: HostVectors?

  /// - Parameter termCount: how many terms are kept in memory.
  init(_ programs: RulePrograms, termCount: Int) throws {
    self.programs = programs
    ofPrograms = try programs.list.enumerated().map { index, program in
      try HostVectors(
        program.states.enumerated().map { place, state in
          HostVectors.Kind(
            start: state.initialValue, count: programs.count(ofState: place, in: index))
        })
    }
    for (index, program) in programs.list.enumerated() {
      for place in program.numbers {
        for (number, count) in (programs.counts(ofState: place, in: index) ?? []).enumerated() {
          ofPrograms[index].arrays[place].floats[number] = count
        }
      }
    }
    companionVector = try programs.storage.companion.map {
      try HostVectors([.init(type: $0.type, count: programs.layout.count)])
    }
    terms = try HostVectors(
      Array(repeating: .init(count: programs.layout.count), count: termCount))
  }

  var sum: ElementPointer? { sumVector?.arrays[0] }
  var average: ElementPointer? { averageVector?.arrays[0] }
  var companion: ElementPointer? { companionVector?.arrays[0] }

  /// The sum, which is made if there was none.
  func makeSumIfNeeded() throws -> ElementPointer {
    let vector = try sumVector ?? HostVectors([.init(count: programs.layout.count)])
    sumVector = vector
    return vector.arrays[0]
  }

  /// The average, which is made if there was none.
  func makeAverageIfNeeded() throws -> ElementPointer {
    let vector = try averageVector ?? HostVectors([.init(count: programs.layout.count)])
    averageVector = vector
    return vector.arrays[0]
  }

  /// Copies the parameters to what begins with this step as a copy of them: the average, and
  /// states.
  func begin(_ step: StepInput, with parameters: HostPieces) {
    let parameters = HostVector(parameters)
    if step.statesBegin, let companion, programs.storage.companion?.copiesParameters == true {
      parameters.forEachPart(of: programs.layout.occupied) { range, memory in
        memory.copyFloats(to: (companion + range.lowerBound).floats, count: range.count)
      }
    }
    if let average, step.average?.begins == true {
      parameters.forEachPart(of: programs.layout.occupied) { range, memory in
        copy(memory, range, to: average + range.lowerBound)
      }
    }
    guard step.statesBegin else { return }
    for (index, program) in programs.list.enumerated() {
      for (place, state) in program.states.enumerated() where state.start == .parameters {
        let (vector, map) = (ofPrograms[index].arrays[place], programs.states[index])
        parameters.forEachPart(of: programs.stretches(of: index)) { range, memory in
          copy(memory, range, to: vector + map.place(of: range).lowerBound)
        }
      }
    }
  }

  /// Copies the parameters of a range of the layout as Floats.
  private func copy(_ parameters: ElementPointer, _ range: Range<Int>, to floats: ElementPointer) {
    StoredParameters(
      parameters: parameters, companion: companion.map { $0 + range.lowerBound }
    ).copyFloats(to: floats.floats, count: range.count)
  }

  func dropAverage() { averageVector = nil }

  subscript(vector: StateVector) -> ElementPointer? {
    switch vector {
    case .average: average
    case .companion: companion
    case .state(let program, let index): ofPrograms[program].arrays[index]
    }
  }
}
