import Descent

/// How steps are taken that must not allocate.
enum StepManner: String, CaseIterable, Sendable {
  case plain
  /// From arrays.
  case arrays
  case zeroing
  /// Clipped by the global norm; every tenth step is skipped.
  case clipping
  /// Clipped, skipped, and divided by a loss scale; zeroing.
  case lossScale = "loss scale"
  /// The same with a scale that several optimizers share, which is set before every step.
  case sharedLossScale = "shared loss scale"
  /// Two groups, dealt out by turns.
  case groups
  /// Two groups, one clipped tensor by tensor, the other with the rest.
  case clippedGroups = "clipped groups"
  /// Parameters and gradients in pieces, cut otherwise.
  case pieces
  case zeroingPieces = "zeroing pieces"
  /// A gradient summed up before the step's own.
  case accumulating
  /// An average of the parameters.
  case averaging
  /// Parameters and gradients in 16 bits.
  case bfloat16

  var zeroes: Bool { self == .zeroing || self == .zeroingPieces || self == .lossScale }
  var skips: Bool {
    self == .clipping || self == .lossScale || self == .sharedLossScale || self == .clippedGroups
  }
}

/// An optimizer with its vectors, all made before the first step; what a step takes from then on is
/// the optimizer's.
final class SteadyTrainer {
  private let manner: StepManner
  private let optimizer: Optimizer
  private let parameters: UnsafeMutableBufferPointer<Float>
  private let gradients: UnsafeMutableBufferPointer<Float>
  private var parameterArray: [Float]
  private var sharedScale = LossScale(scale: 1024, growthInterval: 7)
  private let gradientArray: [Float]
  private let parameterPieces: [UnsafeMutableBufferPointer<Float>]
  private let gradientPieces: [UnsafeMutableBufferPointer<Float>]
  private let constantPieces: [UnsafeBufferPointer<Float>]
  private var halfParameters: [BFloat16] = []
  private let halfGradients: [BFloat16]

  private static let tensors = 24
  private static let tensor = 257
  /// So short that the model has several blocks, and several threads work on it.
  private static let block = 1024

  /// Throws ``MemoryError`` unless the optimizer works on so many threads.
  init(_ rule: any UpdateRule, _ manner: StepManner, threads: Int) throws {
    self.manner = manner
    let layout = try Self.layout(manner, rule)
    optimizer = try Optimizer(
      rule, layout: layout, storage: manner == .bfloat16 ? .bfloat16 : .float32,
      on: .cpu(threads: threads, instructions: nil, block: Self.block))
    guard HostWorkbench.threads(of: optimizer.engineName) == threads else {
      throw MemoryError.otherwise("\(optimizer.engineName) instead of \(threads) threads")
    }
    if manner.skips { optimizer.clipping = .globalNorm(1) }
    if manner == .averaging { optimizer.averaging = ParameterAverage() }
    if manner == .lossScale {
      try optimizer.setLossScale(LossScale(scale: 1024, growthInterval: 7))
    }
    parameters = .allocate(capacity: layout.count)
    parameters.initialize(repeating: 0.5)
    gradients = .allocate(capacity: layout.count)
    gradients.initialize(repeating: 0)
    parameterArray = Array(parameters)
    gradientArray = Array(repeating: 0x1p-10, count: layout.count)
    parameterPieces = Self.pieces(of: parameters, length: 1000)
    // A piece of a gradient that is looked at begins where a tensor does.
    gradientPieces = Self.pieces(of: gradients, length: 3 * Self.tensor)
    constantPieces = gradientPieces.map { UnsafeBufferPointer($0) }
    halfParameters = Array(repeating: 0.5, count: layout.count)
    halfGradients = Array(repeating: 0x1p-10, count: layout.count)
  }

  deinit {
    parameters.deallocate()
    gradients.deallocate()
  }

  private static func layout(
    _ manner: StepManner, _ rule: any UpdateRule
  ) throws -> ParameterLayout {
    var layout = ParameterLayout()
    let isGrouped = manner == .groups || manner == .clippedGroups
    for index in 0..<tensors {
      let group = isGrouped && index % 2 == 1 ? "other" : ParameterGroup.defaultName
      try layout.append("\(index)", shape: rule.shape(ofCount: tensor), group: group)
    }
    if isGrouped {
      try layout.setGroup(
        "other",
        to: ParameterGroup(
          learningRateFactor: 0.5, weightDecay: 0.01,
          clipping: manner == .clippedGroups ? .tensorNorm(1) : nil))
    }
    return layout
  }

  private static func pieces(
    of vector: UnsafeMutableBufferPointer<Float>, length: Int
  ) -> [UnsafeMutableBufferPointer<Float>] {
    stride(from: 0, to: vector.count, by: length).map {
      UnsafeMutableBufferPointer(rebasing: vector[$0..<min($0 + length, vector.count)])
    }
  }

  /// Takes the steps of these numbers. Every tenth gradient is not finite where such a step is
  /// skipped.
  func steps(_ numbers: ClosedRange<Int>) throws {
    for number in numbers {
      gradients.update(repeating: 0x1p-10)
      let isSpoiled = manner.skips && number % 10 == 0
      if isSpoiled { gradients[0] = .nan }
      if manner == .sharedLossScale { try optimizer.setLossScale(sharedScale.fixed) }
      switch manner {
      case .arrays: try optimizer.step(&parameterArray, gradients: gradientArray)
      case .bfloat16: try optimizer.step(&halfParameters, gradients: halfGradients)
      case .pieces: try optimizer.step(parameterPieces, gradients: constantPieces)
      case .zeroingPieces: try optimizer.step(parameterPieces, zeroing: gradientPieces)
      case .accumulating:
        try optimizer.accumulate(UnsafeBufferPointer(gradients))
        try optimizer.step(parameters, gradients: UnsafeBufferPointer(gradients))
      case _ where manner.zeroes: try optimizer.step(parameters, zeroing: gradients)
      default: try optimizer.step(parameters, gradients: UnsafeBufferPointer(gradients))
      }
      if manner == .sharedLossScale { sharedScale.update(foundNonFinite: isSpoiled) }
    }
  }

  /// Throws ``MemoryError`` unless `steps` steps did what this manner is about.
  func check(steps: Int) throws {
    let skipped = manner.skips ? steps / 10 : 0
    let (taken, notTaken) = (try optimizer.stepCount, try optimizer.skippedStepCount)
    guard taken == steps - skipped, notTaken == skipped else {
      throw MemoryError.otherwise(
        "\(taken) steps taken and \(notTaken) skipped of \(steps)")
    }
    if manner.zeroes && gradients.contains(where: { $0 != 0 }) {
      throw MemoryError.otherwise("gradients are not zeroed")
    }
  }
}
