internal import DescentKernels

/// The latest step that read its gradient first, and the loss scale after it.
struct StepDecision {
  /// The norm of the gradient times what the step multiplied it by, in one order of operations on
  /// every engine; ∞ or NaN where the gradient was.
  var norm = 0.0
  var isSkipped = false
  var lossScale = 1.0
  var stepsSinceChange = 0
}

extension StepDecision {
  init(_ control: descent_control) {
    norm = Self.norm(control.total, times: Double(control.scale.magnitude))
    isSkipped = control.isSkipped != 0
    lossScale = Double(control.lossScale)
    stepsSinceChange = Int(control.grown)
  }

  /// √(sum of squares) times `scale`, with the power of two by which they were scaled taken out.
  private static func norm(_ total: descent_partial, times scale: Double) -> Double {
    let greatest = Float(bitPattern: total.peak)
    guard greatest.isFinite else { return Double(greatest) }
    let exponent = min(max(Int(total.peak >> 23), 1), 253) - 127
    let power = Double(sign: .plus, exponent: exponent, significand: 1)
    return Double(total.sum.squareRoot()) * power * scale
  }
}

extension descent_control {
  /// Before the first step.
  init(lossScale: LossScale?) {
    self.init()
    set(lossScale)
    inverse = 1 / self.lossScale
  }

  mutating func set(_ scale: LossScale?) {
    lossScale = Float(scale?.scale ?? 1)
    grown = UInt32(scale?.stepsSinceChange ?? 0)
  }
}
