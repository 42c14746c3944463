import Descent
import Foundation

/// What a vector must hold after timing: a pattern, over and over.
struct ExpectedVector {
  let name: String
  let pattern: [Float]
  /// How far an element may be off, in ulp of the larger of `scale` and the pattern's; nil where
  /// every bit is promised.
  var ulps: Double?
  /// What the vector held at first, for the measure of its errors; nil for zeros.
  var start: [Float]?

  /// Throws ``BenchmarkError/wrong(vector:on:index:found:expected:)`` for the first element that is
  /// not what it must be.
  ///
  /// - Parameters:
  ///   - elements: what is to be looked at.
  ///   - first: the place of the first of them in the vector.
  func check(_ elements: UnsafeBufferPointer<Float>, from first: Int, on device: String) throws {
    var done = 0
    while done < elements.count {
      let phase = (first + done) % pattern.count
      let length = min(pattern.count - phase, elements.count - done)
      // Millions of elements: only where the bytes differ is each looked at.
      let isSame = pattern.withUnsafeBufferPointer { pattern in
        guard let found = elements.baseAddress, let expected = pattern.baseAddress else {
          return true
        }
        return memcmp(found + done, expected + phase, length * MemoryLayout<Float>.stride) == 0
      }
      if !isSame {
        for index in 0..<length
        where !accepts(elements[done + index], at: phase + index) {
          throw BenchmarkError.wrong(
            vector: name, on: device, index: first + done + index, found: elements[done + index],
            expected: pattern[phase + index])
        }
      }
      done += length
    }
  }

  private func accepts(_ found: Float, at index: Int) -> Bool {
    let expected = pattern[index]
    guard let ulps else { return found.bitPattern == expected.bitPattern }
    let scale = max(abs(expected), abs(start?[index] ?? 0))
    return abs(Double(found) - Double(expected)) <= ulps * Double(scale.ulp)
  }
}

/// What a rule's steps must leave in a group of tensors, by the reference.
struct Expectation {
  let group: String
  /// Parameters, then the states in their order.
  let vectors: [ExpectedVector]

  /// - Parameters:
  ///   - steps: how many were taken, each with the same gradients.
  ///   - isExact: whether every bit is promised; elsewhere each step may err by some ulp, as in
  ///     `descent verify`.
  init(
    _ rule: any UpdateRule, _ inputs: BenchmarkInputs, steps: Int, isExact: Bool,
    group: String = ParameterGroup.defaultName, settings: ParameterGroup = ParameterGroup()
  ) throws {
    self.group = group
    var layout = ParameterLayout()
    try layout.append("period", shape: [inputs.period])
    try layout.setGroup(ParameterGroup.defaultName, to: settings)
    let optimizer = try Optimizer(rule, layout: layout, on: .reference)
    var parameters = inputs.parameters
    for _ in 0..<steps { try optimizer.step(&parameters, gradients: inputs.gradients) }
    let ulps = isExact ? nil : Double(2 * steps + 8)
    vectors =
      try [
        ExpectedVector(
          name: "parameters of \(type(of: rule).name)", pattern: parameters, ulps: ulps,
          start: inputs.parameters)
      ]
      + optimizer.stateNames.map {
        ExpectedVector(
          name: "state \($0) of \(type(of: rule).name)", pattern: try optimizer.state($0),
          ulps: ulps)
      }
  }
}

/// What the ceiling's passes must leave.
struct CeilingExpectation {
  /// Of the vectors that passes update.
  let vectors: [ExpectedVector]

  /// - Parameter passes: how many were made over such streams.
  init(_ inputs: BenchmarkInputs, passes: [PassStreams: Int], tiny: Float) {
    let most = passes.keys.map(\.written).max() ?? 0
    vectors = (0..<most).map { index in
      let times = passes.reduce(0) { $0 + ($1.key.written > index ? $1.value : 0) }
      var pattern = index == 0 ? inputs.parameters : Array(repeating: 0, count: inputs.period)
      for _ in 0..<times {
        for i in pattern.indices { pattern[i] += index == 0 ? inputs.gradients[i] * tiny : tiny }
      }
      return ExpectedVector(name: "vector \(index) of the ceiling", pattern: pattern)
    }
  }
}
