import Descent

#if OpenCL
import OpenCLHost
#endif

/// What gradients may consist of.
private protocol GradientElement: VectorElement, Equatable, ExpressibleByIntegerLiteral {
  init(_ value: Float)
  /// The greatest magnitude that is finite.
  static var greatest: Float { get }
}

extension Float: GradientElement {
  fileprivate static var greatest: Float { greatestFiniteMagnitude }
}

extension Float16: GradientElement {
  fileprivate static var greatest: Float { Float(greatestFiniteMagnitude) }
}

extension BFloat16: GradientElement {
  fileprivate static var greatest: Float { Float(greatestFiniteMagnitude) }
}

/// The comparison of an engine with the reference: one setting of a rule over pinned steps.
package struct Agreement {
  package let variant: RuleVariant
  package let vectors: Vectors
  /// The offset of the vectors' first element from an aligned address, in elements.
  package var offset = 0
  /// Whether the vector consists of many tensors in two alternating groups, rather than of one
  /// tensor.
  package var isCut = false
  /// Whether each step also accumulates the previous step's gradient, updates an average, and
  /// zeroes the gradients; both gradients are of another type with each step. If the vector is cut,
  /// steps are clipped too, and skipped if not finite.
  package var isBeside = false

  package var cut: Agreement {
    var cut = self
    cut.isCut = true
    return cut
  }

  package var beside: Agreement {
    var beside = self
    beside.isBeside = true
    return beside
  }

  /// The reference's outcome for the cut vector, given that of the uncut one. They are the same for
  /// elementwise rules; numbers of a tensor depend on the cuts.
  package func expectedCut(_ uncut: Outcome) throws -> Outcome {
    variant.rule.passes.count == 1 ? uncut : try cut.outcome(on: .reference)
  }

  /// The values of the pinned steps, computed once for many runs.
  package struct Vectors {
    package let parameters: [Float]
    package let gradients: [[Float]]
    package var count: Int { parameters.count }

    package init(count: Int, special: Bool = true, steps: Int = Agreement.steps) {
      let pinned = PinnedSteps(count: count, special: special)
      parameters = pinned.parameters
      gradients = (1...steps).map(pinned.gradients)
    }

    private init(_ parameters: [Float], _ gradients: [[Float]]) {
      (self.parameters, self.gradients) = (parameters, gradients)
    }

    /// The same without huge values, ∞ and NaN: in a rule that sums over tensors one of these
    /// decides a whole tensor's steps, and hides all others.
    var bounded: Vectors {
      func bounded(_ values: [Float], _ limit: Float) -> [Float] {
        values.map { $0.isFinite ? min(max($0, -limit), limit) : 1 }
      }
      return Vectors(bounded(parameters, 4), gradients.map { bounded($0, 100) })
    }
  }

  /// - Parameters: as the properties of these names.
  package init(
    variant: RuleVariant, vectors: Vectors, offset: Int = 0, isCut: Bool = false,
    isBeside: Bool = false
  ) {
    self.vectors = variant.rule.passes.count == 1 ? vectors : vectors.bounded
    (self.variant, self.offset) = (variant, offset)
    (self.isCut, self.isBeside) = (isCut, isBeside)
  }

  private var count: Int { vectors.count }

  /// Counts around the sizes of vectors, work-groups and blocks, and a prime that spans many of
  /// them.
  package static let counts = [0, 1, 3, 15, 16, 17, 63, 64, 65, 1023, 1024, 1025, 100_003]

  package static let steps = 25

  /// The result of a run: parameters and states after the first step and after the last.
  package struct Outcome: Equatable {
    package var vectors: [[Float]] = []
    /// Which of them has the parameters after the last step.
    fileprivate var finalPlace = 0
    /// The number of elements outside the vectors that were overwritten, and of gradients that
    /// should be 0 and are not.
    package var trespasses = 0

    package init() {}

    package func difference(from other: Outcome) -> Difference {
      var result = Difference()
      for (a, b) in zip(vectors, other.vectors) { result.merge(Difference(a, b)) }
      if vectors.count != other.vectors.count { result.worstUlp = .infinity }
      result.bitsApart += trespasses + other.trespasses
      return result
    }

    package var digest: Digest {
      var digest = Digest()
      for vector in vectors { digest.combine(vector) }
      return digest
    }
  }

  /// A number of every type of 16 bits.
  private static let guardValue: Float = 12352
  private static let guardCount = 32

  /// The values with guard elements around them: as many before them as the offset, ``guardCount``
  /// after.
  private func guarded<Element: GradientElement>(_ values: [Element]) -> [Element] {
    let guardValue = Element(Self.guardValue)
    return Array(repeating: guardValue, count: offset) + values
      + Array(repeating: guardValue, count: Self.guardCount)
  }

  private var range: Range<Int> { offset..<offset + count }

  private func trespasses<Element: GradientElement>(_ memory: [Element]) -> Int {
    let guardValue = Element(Self.guardValue)
    return memory.indices.count { !range.contains($0) && memory[$0] != guardValue }
  }

  private func layout() throws -> ParameterLayout {
    guard isCut else { return try ParameterLayout(count: count, for: variant.rule) }
    var layout = ParameterLayout()
    let sizes = [1, 5, 2, 33, 64, 15, 1025, 129]
    while layout.count < count {
      let index = layout.tensors.count
      try layout.append(
        "\(index)",
        shape: variant.rule.shape(
          ofCount: min(sizes[index % sizes.count], count - layout.count)),
        group: index.isMultiple(of: 2) ? "even" : "odd")
    }
    return layout
  }

  /// Runs the steps on an engine, in device memory if it has any, otherwise in host memory.
  package func outcome(on choice: EngineChoice) throws -> Outcome {
    let optimizer = try Optimizer(variant.rule, layout: layout(), on: choice)
    if isBeside {
      optimizer.averaging = ParameterAverage(decay: 0.9)
      optimizer.skipsNonFinite = isCut
      if isCut { optimizer.clipping = .tensorNorm(1e3) }
    }
    #if OpenCL
    if let queue = optimizer.queue { return try onDevice(optimizer, queue) }
    #endif
    return try onHost(optimizer)
  }

  /// The gradients of step `step`, counted from 1; for step 0 all are 1. With ``isBeside`` all are
  /// finite, since otherwise every step would be skipped.
  private func gradients(_ step: Int) -> [Float] {
    if step == 0 { return Array(repeating: 1, count: count) }
    let own = vectors.gradients[step - 1]
    return isBeside ? own.map { $0.isFinite ? $0 : 1 } : own
  }

  /// The same in another type, within its range.
  private func gradients<Element: GradientElement>(_ step: Int, as type: Element.Type) -> [Element]
  {
    let most = Element.greatest
    return gradients(step).map { Element($0.magnitude > most ? ($0 < 0 ? -most : most) : $0) }
  }

  /// The number of gradients that should be 0 and are not, and of elements next to them that
  /// changed.
  private func misses<Element: GradientElement>(_ gradients: [Element]) -> Int {
    trespasses(gradients) + gradients[range].count { $0 != 0 }
  }

  /// Runs the steps in host memory, on any engine.
  package func onHost(_ optimizer: Optimizer) throws -> Outcome {
    var memory = guarded(vectors.parameters)
    var outcome = Outcome()
    for step in 1...vectors.gradients.count {
      if isBeside {
        switch step % 3 {
        case 1: try optimizer.accumulate(gradients(step - 1))
        case 2: try optimizer.accumulate(gradients(step - 1, as: BFloat16.self))
        default: try optimizer.accumulate(gradients(step - 1, as: Float16.self))
        }
      }
      try memory.withUnsafeMutableBufferPointer { memory in
        let memory = UnsafeMutableBufferPointer(rebasing: memory[range])
        let missed =
          switch isBeside ? step % 3 : 2 {
          case 1: try take(step, optimizer, memory, gradients(step, as: Float16.self))
          case 2: try take(step, optimizer, memory, gradients(step))
          default: try take(step, optimizer, memory, gradients(step, as: BFloat16.self))
          }
        outcome.trespasses += missed
      }
      try record(&outcome, step, optimizer) { memory }
    }
    return outcome
  }

  /// Takes a step, and returns the number of gradients that were to be 0 and are not.
  private func take<Element: GradientElement>(
    _ step: Int, _ optimizer: Optimizer, _ memory: UnsafeMutableBufferPointer<Float>,
    _ values: [Element]
  ) throws -> Int {
    var gradients = guarded(values)
    try gradients.withUnsafeMutableBufferPointer { gradients in
      let gradients = UnsafeMutableBufferPointer(rebasing: gradients[range])
      if isBeside {
        try optimizer.step(memory, zeroing: gradients)
      } else {
        try optimizer.step(memory, gradients: UnsafeBufferPointer(gradients))
      }
    }
    return isBeside ? misses(gradients) : 0
  }

  #if OpenCL
  private func onDevice(_ optimizer: Optimizer, _ queue: CommandQueue) throws -> Outcome {
    let start = guarded(vectors.parameters)
    let parameters = try Buffer<Float>(queue.context, copying: start)
    let floats = try Buffer<Float>(queue.context, count: start.count)
    let halves = try Buffer<Float16>(queue.context, count: start.count)
    let bfloats = try Buffer<BFloat16>(queue.context, count: start.count)
    var outcome = Outcome()
    for step in 1...vectors.gradients.count {
      if isBeside {
        let missed =
          switch step % 3 {
          case 1: try accumulate(optimizer, floats, gradients(step - 1), queue)
          case 2: try accumulate(optimizer, bfloats, gradients(step - 1, as: BFloat16.self), queue)
          default: try accumulate(optimizer, halves, gradients(step - 1, as: Float16.self), queue)
          }
        outcome.trespasses += missed
      }
      let missed =
        switch isBeside ? step % 3 : 2 {
        case 1: try take(optimizer, parameters, halves, gradients(step, as: Float16.self), queue)
        case 2: try take(optimizer, parameters, floats, gradients(step), queue)
        default:
          try take(optimizer, parameters, bfloats, gradients(step, as: BFloat16.self), queue)
        }
      outcome.trespasses += missed
      try record(&outcome, step, optimizer) { try parameters.read(on: queue) }
    }
    return outcome
  }

  private func accumulate<Element: GradientElement>(
    _ optimizer: Optimizer, _ gradients: Buffer<Element>, _ values: [Element],
    _ queue: CommandQueue
  ) throws -> Int {
    try gradients.write(guarded(values), on: queue)
    try optimizer.enqueueAccumulate(gradients.slice(range), zeroing: true)
    return misses(try gradients.read(on: queue))
  }

  private func take<Element: GradientElement>(
    _ optimizer: Optimizer, _ parameters: Buffer<Float>, _ gradients: Buffer<Element>,
    _ values: [Element], _ queue: CommandQueue
  ) throws -> Int {
    try gradients.write(guarded(values), on: queue)
    try optimizer.enqueueStep(
      parameters.slice(range), gradients: gradients.slice(range), zeroing: isBeside)
    return isBeside ? misses(try gradients.read(on: queue)) : 0
  }
  #endif

  private func record(
    _ outcome: inout Outcome, _ step: Int, _ optimizer: Optimizer, _ memory: () throws -> [Float]
  ) throws {
    guard step == 1 || step == vectors.gradients.count else { return }
    let memory = try memory()
    outcome.trespasses += trespasses(memory)
    outcome.finalPlace = outcome.vectors.count
    outcome.vectors.append(Array(memory[range]))
    for name in optimizer.stateNames { outcome.vectors.append(try optimizer.state(name)) }
    if isBeside { outcome.vectors.append(try optimizer.average()) }
  }
}

extension Agreement {
  /// The number of elements for which the digest of a `RuleVariant` is pinned.
  package static let pinnedCount = 1023

  /// The largest distance of two runs' final parameters, in ulps of the largest value on each
  /// element's path, for devices that round differently from the reference. Elements with extreme
  /// values on their path are left out: such devices flush them, or overflow a step earlier. ∞ if
  /// anything outside the vectors was written.
  package func pathUlps(_ outcome: Outcome, _ expected: Outcome) -> Double {
    guard let last = outcome.finalParameters, let truth = expected.finalParameters,
      let first = expected.vectors.first, last.count == truth.count, outcome.trespasses == 0
    else { return .infinity }
    var worst = 0.0
    for index in truth.indices where isTame(index) && truth[index].isFinite {
      let peak = max(abs(vectors.parameters[index]), abs(first[index]), abs(truth[index]))
      let error = Double(abs(last[index] - truth[index]) / peak.ulp)
      worst = error.isNaN ? .infinity : max(worst, error)
    }
    return worst
  }

  private func isTame(_ index: Int) -> Bool {
    vectors.parameters[index].isNormal
      && vectors.gradients.allSatisfy { $0[index] == 0 || (1e-12...1e12).contains(abs($0[index])) }
  }
}

extension Agreement.Outcome {
  /// Parameters after the last step.
  package var finalParameters: [Float]? { vectors.isEmpty ? nil : vectors[finalPlace] }
}
