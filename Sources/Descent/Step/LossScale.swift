/// A loss scale that grows while gradients are finite and falls when they are not, as PyTorch's
/// `torch.amp.GradScaler`: what a 16-bit trainer multiplies its loss by, so that small gradients do
/// not vanish, and a step divides out again.
///
/// A step whose gradient is not finite after the division is skipped and multiplies the scale by
/// `backoffFactor`; after `growthInterval` steps without one it is multiplied by `growthFactor`. It
/// stays from `minimumScale` to `maximumScale`, where PyTorch's has no bounds: one that would leave
/// them stops there.
///
/// Optimizers that take their gradients from one loss share one scale. Each steps with ``fixed``,
/// which divides and skips, and ``update(foundNonFinite:)`` moves the scale once an iteration, as
/// `GradScaler.update()`:
///
/// ```swift
/// for optimizer in [generator, critic] { try optimizer.setLossScale(scale.fixed) }
/// // gradients of the loss times scale.scale, a step of each, then
/// let skipped = try [generator, critic].map { try $0.lastStepWasSkipped }
/// scale.update(foundNonFinite: skipped.contains(true))
/// ```
///
/// To keep the shared scale in a checkpoint, give one of the optimizers the scale itself before it
/// is saved, and read ``Optimizer/lossScale`` once it is loaded.
public struct LossScale: Hashable, Sendable {
  /// The least and the greatest scale there can be: normal `Float`s with normal inverses.
  public static let range = 0x1p-126...0x1p126

  /// What the loss was multiplied by; from `minimumScale` to `maximumScale`.
  public var scale: Double
  /// What the scale is multiplied by when it grows; finite and at least 1.
  public var growthFactor: Double
  /// What the scale is multiplied by when it falls; above 0 and up to 1.
  public var backoffFactor: Double
  /// After how many finite steps in a row the scale grows; at least 1.
  public var growthInterval: Int
  /// How many steps have been finite since the scale last changed or would have grown.
  public var stepsSinceChange: Int
  /// The scale never falls below this; in ``range``.
  public var minimumScale: Double
  /// The scale never grows above this; in ``range``.
  public var maximumScale: Double

  /// PyTorch's defaults, and bounds. ``Optimizer/setLossScale(_:)`` refuses numbers that would not
  /// scale.
  ///
  /// A `minimumScale` of nil is 1, or `scale` where that is less: a scale below 1 makes gradients
  /// smaller than they are. Give less where unscaled gradients overflow their 16 bits. A
  /// `maximumScale` of nil is the end of ``range``, 2¹²⁶.
  public init(
    scale: Double = 65536, growthFactor: Double = 2, backoffFactor: Double = 0.5,
    growthInterval: Int = 2000, stepsSinceChange: Int = 0, minimumScale: Double? = nil,
    maximumScale: Double? = nil
  ) {
    self.scale = scale
    self.growthFactor = growthFactor
    self.backoffFactor = backoffFactor
    self.growthInterval = growthInterval
    self.stepsSinceChange = stepsSinceChange
    self.minimumScale = minimumScale ?? min(1, scale)
    self.maximumScale = maximumScale ?? Self.range.upperBound
  }

  /// The same scale, which steps divide by and skip with, but do not move.
  public var fixed: LossScale {
    var fixed = self
    (fixed.growthFactor, fixed.backoffFactor) = (1, 1)
    return fixed
  }

  /// Moves the scale as a step does, in the same `Float`s.
  ///
  /// - Parameter foundNonFinite: whether a gradient with this scale was not finite.
  public mutating func update(foundNonFinite: Bool) {
    if foundNonFinite {
      scale = Double(max(Float(scale) * Float(backoffFactor), Float(minimumScale)))
      stepsSinceChange = 0
      return
    }
    stepsSinceChange &+= 1
    if stepsSinceChange >= growthInterval {
      scale = Double(min(Float(scale) * Float(growthFactor), Float(maximumScale)))
      stepsSinceChange = 0
    }
  }

  /// Throws ``DescentError/value(of:given:allowed:)`` for numbers that would not scale.
  func validate() throws(DescentError) {
    func check(
      _ name: String, _ value: some CustomStringConvertible, _ isAllowed: Bool,
      _ allowed: @autoclosure () -> String
    ) throws(DescentError) {
      guard isAllowed else {
        throw .value(of: "lossScale: \(name)", given: "\(value)", allowed: allowed())
      }
    }
    let bounds = "2⁻¹²⁶ to 2¹²⁶, whose inverses are normal Floats too"
    try check("scale", scale, Self.range.contains(scale), bounds)
    try check("minimumScale", minimumScale, Self.range.contains(minimumScale), bounds)
    try check("maximumScale", maximumScale, Self.range.contains(maximumScale), bounds)
    // As Floats, since that is what steps make of them.
    let (least, greatest) = (Float(minimumScale), Float(maximumScale))
    try check(
      "scale", scale, least <= Float(scale) && Float(scale) <= greatest,
      "minimumScale to maximumScale, \(minimumScale) to \(maximumScale)")
    try check(
      "growthFactor", growthFactor, growthFactor >= 1 && Float(growthFactor).isFinite,
      "a finite number of at least 1")
    try check(
      "backoffFactor", backoffFactor, backoffFactor.isPositiveAsFloat && backoffFactor <= 1,
      "above 0, also as a Float, and up to 1"
    )
    try check(
      "growthInterval", growthInterval,
      growthInterval >= 1 && growthInterval <= Int(UInt32.max),
      "a whole number from 1 to \(UInt32.max)")
    try check(
      "stepsSinceChange", stepsSinceChange,
      stepsSinceChange >= 0 && stepsSinceChange < growthInterval, "less than growthInterval")
  }
}

extension LossScale: Codable {
  private enum Key: CodingKey {
    case scale, growthFactor, backoffFactor, growthInterval, stepsSinceChange, minimumScale
    case maximumScale
  }

  /// Bounds may be missing, as in files of earlier versions; they are then those of the
  /// initializer.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    self.init(
      scale: try values.decode(Double.self, forKey: .scale),
      growthFactor: try values.decode(Double.self, forKey: .growthFactor),
      backoffFactor: try values.decode(Double.self, forKey: .backoffFactor),
      growthInterval: try values.decode(Int.self, forKey: .growthInterval),
      stepsSinceChange: try values.decode(Int.self, forKey: .stepsSinceChange),
      minimumScale: try values.decodeIfPresent(Double.self, forKey: .minimumScale),
      maximumScale: try values.decodeIfPresent(Double.self, forKey: .maximumScale))
  }
}
