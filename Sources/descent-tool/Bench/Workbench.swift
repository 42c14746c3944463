import Descent

/// The memory that holds parameters and gradients between the steps of a trainer.
enum MemoryCase: String, CaseIterable, Encodable, Sendable {
  /// In the device's memory, where they stay.
  case resident
  /// In host memory from `PinnedMemory`; each step copies them to the device and parameters back.
  case pinned
  /// In ordinary host memory; likewise.
  case pageable

  /// A description by which a user recognizes the case.
  var advice: String {
    switch self {
    case .resident:
      "resident is yours if gradients are computed on the device: parameters stay there "
        + "(enqueueStep)."
    case .pinned:
      "pinned is yours if gradients are computed by the host, into PinnedMemory that you hand to "
        + "enqueueWrite and enqueueRead."
    case .pageable:
      "pageable is yours if the host computes gradients into arrays: step(&parameters, gradients:) "
        + "on this device."
    }
  }
}

/// A device, and the vectors on it that all rules share: gradients, and the ceiling's streams.
protocol Workbench: AnyObject {
  /// A rule on the device, with parameters and states of its own.
  func makeRunner(_ rule: any UpdateRule, _ memoryCase: MemoryCase) throws -> any StepRunner

  /// Passes of the ceiling over such streams, one after the other, and the wait for them.
  func pass(_ passes: [PassStreams], times: Int) throws

  /// Plain copies of a vector, and the wait for them.
  func copy(times: Int) throws

  /// Throws ``BenchmarkError`` unless passes and copies left what they must.
  func checkCeiling(_ expectation: CeilingExpectation) throws
}

/// A rule on a device, with parameters and states of its own.
protocol StepRunner: AnyObject {
  var optimizer: Optimizer { get }

  /// Takes steps, and waits for them.
  func steps(_ times: Int) throws

  func parameters() throws -> [Float]
}

extension StepRunner {
  /// Throws ``BenchmarkError`` unless parameters and states of a group are what the steps must have
  /// made of them.
  func check(_ expectation: Expectation, on device: String) throws {
    let ranges = optimizer.layout.ranges(of: expectation.group)
    try expectation.vectors[0].check(parameters(), ranges, on: device)
    for (name, expected) in zip(optimizer.stateNames, expectation.vectors.dropFirst()) {
      try expected.check(optimizer.state(name), ranges, on: device)
    }
  }
}

extension StepRunner {
  /// Takes one more step, and throws ``BenchmarkError`` unless the reference makes the same of
  /// parameters and states: for rules whose results depend on whole tensors.
  ///
  /// - Parameter isExact: whether every bit is promised; elsewhere the step may err by some ulp.
  func checkStep(_ inputs: BenchmarkInputs, isExact: Bool, on device: String) throws {
    let rule = type(of: optimizer.rule).name
    let reference = try Optimizer(optimizer.rule, layout: optimizer.layout, on: .reference)
    try reference.load(optimizer.state)
    let gradients = try HostVector(count: optimizer.layout.count, repeating: inputs.gradients)
    var expected = try parameters()
    try reference.step(&expected, gradients: gradients.constant)
    try steps(1)
    func check(_ found: [Float], _ expected: [Float], _ name: String) throws {
      let vector = ExpectedVector(
        name: "\(name) of \(rule)", pattern: expected, ulps: isExact ? nil : 10)
      try found.withUnsafeBufferPointer { try vector.check($0, from: 0, on: device) }
    }
    try check(parameters(), expected, "parameters")
    for name in optimizer.stateNames {
      try check(optimizer.state(name), reference.state(name), "state \(name)")
    }
  }
}

extension ExpectedVector {
  func check(_ vector: [Float], _ ranges: [Range<Int>], on device: String) throws {
    try vector.withUnsafeBufferPointer { vector in
      for range in ranges {
        try check(
          UnsafeBufferPointer(rebasing: vector[range]), from: range.lowerBound, on: device)
      }
    }
  }
}

extension ParameterLayout {
  /// The elements of a group's tensors in the flat vector, neighbours joined.
  func ranges(of group: String) -> [Range<Int>] {
    tensors.filter { $0.group == group && $0.count > 0 }.map(\.range)
      .reduce(into: []) { ranges, range in
        if let last = ranges.last, last.upperBound == range.lowerBound {
          ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
        } else {
          ranges.append(range)
        }
      }
  }
}
