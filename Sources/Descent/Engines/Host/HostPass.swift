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

  /// For threads, which then count no reference.
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
  let parameters: [Int]
  let gradients: [Int]
  let leftOut: [Bool]
  let runs: UnsafeMutableBufferPointer<StepPlan.Run>

  convenience init(
    _ layout: ParameterLayout, _ sets: [Int]?, leftOut: [Bool] = [], parameters: [Int],
    gradients: [Int]
  ) {
    self.init(
      layout.stretches(sets: sets, leftOut: leftOut), count: layout.count, leftOut: leftOut,
      parameters: parameters, gradients: gradients)
  }

  init(
    _ stretches: [ParameterLayout.Stretch], count: Int, leftOut: [Bool] = [], parameters: [Int],
    gradients: [Int]
  ) {
    self.leftOut = leftOut
    let plan = StepPlan(
      stretches, parameters: starts(ofPieces: parameters),
      gradients: starts(ofPieces: gradients), states: [0, count])
    (self.parameters, self.gradients) = (plan.parameters, plan.gradients)
    runs = .allocate(capacity: plan.runs.count)
    _ = runs.initialize(from: plan.runs)
  }

  deinit { runs.deallocate() }

  func fits(_ parameters: HostPieces, _ gradients: HostPieces) -> Bool {
    Self.fits(parameters, self.parameters) && Self.fits(gradients, self.gradients)
  }

  static func fits(_ pieces: HostPieces, _ starts: [Int]) -> Bool {
    guard pieces.count + 1 == starts.count else { return false }
    for (index, piece) in pieces.enumerated()
    where starts[index + 1] - starts[index] != piece.count { return false }
    return true
  }
}

/// One step's pass over memory, any part of which any thread can run.
struct Pass {
  let kernel: descent_update
  let parameters: HostPieces
  let gradients: HostPieces
  let states: UnsafePointer<UnsafeMutablePointer<Float>?>
  let stateCount: Int
  let count: Int
  let block: Int
  let runs: UnsafeMutableBufferPointer<StepPlan.Run>
  let values: GroupValues.Layout
  /// Of the loss scale.
  let inverse: Float
  /// By clipping set; nil where nothing was looked at.
  let coefficients: UnsafeBufferPointer<Float>?
  let isSkipped: Bool
  let zeroes: Bool
  let besideKernel: descent_update_beside
  /// From the beginning of the layout.
  let beside: descent_beside

  /// Elements that are zeroed as soon as they are updated, while they are in the cache.
  static let zeroedAtOnce = 1 << 12

  func runBlock(_ index: Int) {
    let start = index * block
    run(start..<min(start + block, count))
  }

  /// Every run's part of the range.
  func run(_ range: Range<Int>) {
    withUnsafeTemporaryAllocation(
      of: UnsafeMutablePointer<Float>?.self, capacity: stateCount + 1
    ) { shifted in
      StepPlan.forEachPart(of: range, in: runs) { run, part in
        guard let x = parameters[run.parameters.piece].baseAddress,
          let g = gradients[run.gradients.piece].baseAddress
        else { return }
        update(
          run, part, x + (part.lowerBound - run.parameters.origin),
          g + (part.lowerBound - run.gradients.origin), shifted)
      }
    }
  }

  /// Updates a run's elements, which lie at these places, and zeroes their gradients if asked to.
  private func update(
    _ run: StepPlan.Run, _ range: Range<Int>, _ x: UnsafeMutablePointer<Float>,
    _ g: UnsafeMutablePointer<Float>,
    _ shifted: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>
  ) {
    let values = isSkipped ? nil : values.of(run.group)
    guard zeroes else {
      if let values { update(run, range, x, g, shifted, values) }
      return
    }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.zeroedAtOnce) {
      let part = start..<min(start + Self.zeroedAtOnce, range.upperBound)
      let offset = start - range.lowerBound
      if let values { update(run, part, x + offset, g + offset, shifted, values) }
      (g + offset).update(repeating: 0, count: part.count)
    }
  }

  private func update(
    _ run: StepPlan.Run, _ range: Range<Int>, _ x: UnsafeMutablePointer<Float>,
    _ g: UnsafeMutablePointer<Float>,
    _ shifted: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>,
    _ values: (preparation: UnsafeRawPointer, scalars: UnsafeRawPointer)
  ) {
    for index in 0..<stateCount { shifted[index] = states[index].map { $0 + range.lowerBound } }
    guard let coefficients else {
      update(x, g, shifted, range, values.preparation, values.scalars)
      return
    }
    var preparation = values.preparation.load(as: Preparation<Float>.self)
    preparation.gradientScale = preparation.gradientScale * inverse * coefficients[run.set]
    withUnsafeBytes(of: preparation) { preparation in
      update(x, g, shifted, range, preparation.baseAddress, values.scalars)
    }
  }

  private func update(
    _ x: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>,
    _ states: UnsafeMutableBufferPointer<UnsafeMutablePointer<Float>?>, _ range: Range<Int>,
    _ preparation: UnsafeRawPointer?, _ scalars: UnsafeRawPointer?
  ) {
    if beside.sum == nil && beside.average == nil {
      kernel(x, g, states.baseAddress, range.count, preparation, scalars)
      return
    }
    let own = descent_beside(
      sum: beside.sum.map { $0 + range.lowerBound },
      average: beside.average.map { $0 + range.lowerBound }, averageWeight: beside.averageWeight)
    besideKernel(
      kernel, x, g, states.baseAddress, Int32(stateCount), range.count, preparation, scalars, own)
  }
}

/// A gradient's way into a sum, any part of which any thread can go.
struct AccumulatePass {
  let kernel: descent_accumulate
  let gradients: HostPieces
  let sum: UnsafeMutablePointer<Float>
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
      guard let piece = gradients[run.gradients.piece].baseAddress else { return }
      let g = piece + (part.lowerBound - run.gradients.origin)
      // Zeroed while they are in the cache.
      let most = zeroes ? Pass.zeroedAtOnce : part.count
      for start in stride(from: 0, to: part.count, by: most) {
        let count = min(most, part.count - start)
        kernel(sum + part.lowerBound + start, g + start, count, begins)
        if zeroes { (g + start).update(repeating: 0, count: count) }
      }
    }
  }
}
