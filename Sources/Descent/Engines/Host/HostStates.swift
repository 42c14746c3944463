/// What an engine over host memory keeps from step to step: the states of each program, and the sum
/// of gradients and the average of the parameters once there are such.
final class HostStates {
  /// By program: every state, whatever its shape.
  let ofPrograms: [HostVectors]
  /// The terms of a pass, one vector for each sum.
  let terms: HostVectors
  let programs: RulePrograms
  private var sumVector: HostVectors?
  private var averageVector: HostVectors?

  init(_ programs: RulePrograms) throws {
    self.programs = programs
    ofPrograms = try programs.list.enumerated().map { index, program in
      try HostVectors(
        program.states.enumerated().map { place, state in
          (Float(state.initialValue), programs.count(ofState: place, in: index))
        })
    }
    for (index, program) in programs.list.enumerated() {
      for place in program.numbers {
        for (number, count) in (programs.counts(ofState: place, in: index) ?? []).enumerated() {
          ofPrograms[index].arrays[place][number] = count
        }
      }
    }
    terms = try HostVectors(
      Array(repeating: 0, count: programs.termCount), count: programs.layout.count)
  }

  var sum: UnsafeMutablePointer<Float>? { sumVector?.arrays[0] }
  var average: UnsafeMutablePointer<Float>? { averageVector?.arrays[0] }

  /// The sum, which is made if there was none.
  func makeSumIfNeeded() throws -> UnsafeMutablePointer<Float> {
    let vector = try sumVector ?? HostVectors([0], count: programs.layout.count)
    sumVector = vector
    return vector.arrays[0]
  }

  /// The average, which is made if there was none.
  func makeAverageIfNeeded() throws -> UnsafeMutablePointer<Float> {
    let vector = try averageVector ?? HostVectors([0], count: programs.layout.count)
    averageVector = vector
    return vector.arrays[0]
  }

  /// Copies the parameters to what begins with this step as a copy of them: the average, and
  /// states.
  func begin(_ step: StepInput, with parameters: HostPieces) {
    let parameters = HostVector(parameters)
    if let average, step.average?.begins == true {
      parameters.forEachPart(of: programs.layout.occupied) { range, memory in
        (average + range.lowerBound).update(from: memory, count: range.count)
      }
    }
    guard step.statesBegin else { return }
    for (index, program) in programs.list.enumerated() {
      for (place, state) in program.states.enumerated() where state.start == .parameters {
        let (vector, map) = (ofPrograms[index].arrays[place], programs.states[index])
        parameters.forEachPart(of: programs.stretches(of: index)) { range, memory in
          (vector + map.place(of: range).lowerBound).update(from: memory, count: range.count)
        }
      }
    }
  }

  func dropAverage() { averageVector = nil }

  subscript(vector: StateVector) -> UnsafeMutablePointer<Float>? {
    switch vector {
    case .average: average
    case .state(let program, let index): ofPrograms[program].arrays[index]
    }
  }
}
