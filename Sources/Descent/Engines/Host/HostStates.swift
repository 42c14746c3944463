/// What an engine over host memory keeps from step to step: its rule's states, and the sum of gradients and
/// the average of the parameters once there are such.
final class HostStates {
  let ofRule: HostVectors
  private let count: Int
  private var sumVector: HostVectors?
  private var averageVector: HostVectors?

  init(_ rule: any UpdateRule, count: Int) throws {
    self.count = count
    ofRule = try HostVectors(
      rule.stateNames.map { Float(rule.initialValue(ofState: $0)) }, count: count)
  }

  var sum: UnsafeMutablePointer<Float>? { sumVector?.arrays[0] }
  var average: UnsafeMutablePointer<Float>? { averageVector?.arrays[0] }

  /// The sum, which is made if there was none.
  func madeSum() throws -> UnsafeMutablePointer<Float> {
    let vector = try sumVector ?? HostVectors([0], count: count)
    sumVector = vector
    return vector.arrays[0]
  }

  /// The average, which is made if there was none.
  func madeAverage() throws -> UnsafeMutablePointer<Float> {
    let vector = try averageVector ?? HostVectors([0], count: count)
    averageVector = vector
    return vector.arrays[0]
  }

  /// Sets the average to the parameters where it begins.
  func prepareAverage(
    _ step: AverageStep, _ parameters: HostPieces, _ layout: ParameterLayout
  ) throws {
    let average = try madeAverage()
    guard step.begins else { return }
    parameters.forEachPart(of: layout.occupied) { range, memory in
      (average + range.lowerBound).update(from: memory, count: range.count)
    }
  }

  func dropAverage() { averageVector = nil }

  /// A state by its place: the average stands behind the rule's.
  subscript(index: Int) -> UnsafeMutablePointer<Float>? {
    index == ofRule.arrays.count ? average : ofRule.arrays[index]
  }
}
