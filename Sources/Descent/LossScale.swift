/// A loss scale that grows while gradients are finite and falls when they are not, as PyTorch's
/// `torch.amp.GradScaler`: what a 16-bit trainer multiplies its loss by, so that small gradients do not
/// vanish, and a step divides out again.
///
/// A step whose gradient is not finite after the division is skipped and multiplies the scale by
/// `backoffFactor`; after `growthInterval` steps without one it is multiplied by `growthFactor`, unless
/// that is more than a Float.
public struct LossScale: Hashable, Codable, Sendable {
  /// What the loss was multiplied by; a positive normal `Float` with a normal inverse.
  public var scale: Double
  /// What the scale is multiplied by when it grows; finite and at least 1.
  public var growthFactor: Double
  /// What the scale is multiplied by when it falls; above 0 and up to 1.
  public var backoffFactor: Double
  /// After how many finite steps in a row the scale grows; at least 1.
  public var growthInterval: Int
  /// How many steps have been finite since the scale last changed.
  public var stepsSinceChange: Int

  /// PyTorch's defaults. ``Optimizer/setLossScale(_:)`` refuses numbers that would not scale.
  public init(
    scale: Double = 65536, growthFactor: Double = 2, backoffFactor: Double = 0.5,
    growthInterval: Int = 2000, stepsSinceChange: Int = 0
  ) {
    self.scale = scale
    self.growthFactor = growthFactor
    self.backoffFactor = backoffFactor
    self.growthInterval = growthInterval
    self.stepsSinceChange = stepsSinceChange
  }

  /// Throws ``DescentError/unsupported(_:)`` for numbers that would not scale.
  func validate() throws {
    func check(
      _ name: String, _ value: some CustomStringConvertible, _ isAllowed: Bool, _ allowed: String
    ) throws {
      if !isAllowed {
        throw DescentError.unsupported("lossScale: \(name) is \(value); allowed is \(allowed)")
      }
    }
    let isNormal = Float(scale).isNormal && scale > 0 && (1 / Float(scale)).isNormal
    try check("scale", scale, isNormal, "a positive normal Float with a normal inverse")
    try check(
      "growthFactor", growthFactor, growthFactor >= 1 && Float(growthFactor).isFinite,
      "a finite number of at least 1")
    try check(
      "backoffFactor", backoffFactor, Float(backoffFactor) > 0 && backoffFactor <= 1,
      "above 0, also as a Float, and up to 1"
    )
    try check(
      "growthInterval", growthInterval,
      growthInterval >= 1 && growthInterval <= Int(UInt32.max), "a whole number from 1 up")
    try check(
      "stepsSinceChange", stepsSinceChange,
      stepsSinceChange >= 0 && stepsSinceChange < growthInterval, "less than growthInterval")
  }
}
