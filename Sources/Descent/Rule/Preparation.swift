/// Everything around a rule that every rule shares: scale, ascent, clipping by value and coupled
/// weight decay before it; the subtraction of its step, with decoupled weight decay, after it.
/// The same for devices: Kernels/prepare.cl.
public struct Preparation<T: BinaryFloatingPoint> {
  var gradientScale: T
  let limit: T
  let coupledDecay: T
  let decoupledDecay: T
  /// 1 − d, where an average of the parameters follows the step: ``ParameterAverage``.
  let averageWeight: T

  init(
    _ rule: some UpdateRule, gradientScale: Double, limit: Double = .infinity,
    averageWeight: T = 0
  ) {
    self.gradientScale = T(rule.maximize ? -gradientScale : gradientScale)
    self.limit = T(limit)
    coupledDecay = T(rule.appliedDecay.ofGradient)
    decoupledDecay = T(rule.appliedDecay.ofStep(learningRate: rule.learningRate))
    self.averageWeight = averageWeight
  }

  /// The gradient as the rule sees it.
  func prepared(_ g: T, at x: T) -> T {
    var g = gradientScale * g
    if limit != .infinity {
      if g > limit { g = limit }
      if g < -limit { g = -limit }
    }
    return coupledDecay == 0 ? g : g + coupledDecay * x
  }

  /// x − (u + ηλx) for a rule's step u.
  func stepped(_ x: T, by u: T) -> T {
    x - (decoupledDecay == 0 ? u : u + decoupledDecay * x)
  }
}

/// scale · a / b, in this order unless scale · a overflows; 0 where b is 0.
/// The same for devices: Kernels/prepare.cl.
func quotient<T: BinaryFloatingPoint>(_ scale: T, _ a: T, _ b: T) -> T {
  let product = scale * a
  if b == 0 { return 0 }
  return product.magnitude == .infinity ? scale * (a / b) : product / b
}

/// The elements of one step, for a rule's plain Swift form.
public struct ReferenceElements<T: BinaryFloatingPoint> {
  let parameters: UnsafeMutablePointer<T>
  let gradients: UnsafePointer<T>
  let states: [UnsafeMutablePointer<T>]
  let count: Int
  let preparation: Preparation<T>
  /// What the rule carries from step to step, before this step.
  public var history: [Double] = []

  /// Calls the formula with every element's parameter, prepared gradient and states in turn, and
  /// subtracts the step that it returns.
  @specialized(where T == Float)
  public func update(_ step: (T, T, UnsafeMutablePointer<T>) -> T) {
    withUnsafeTemporaryAllocation(of: T.self, capacity: states.count + 1) { buffer in
      guard let state = buffer.baseAddress else { return }
      for i in 0..<count {
        for (k, values) in states.enumerated() { (state + k).initialize(to: values[i]) }
        let x = parameters[i]
        let u = step(x, preparation.prepared(gradients[i], at: x), state)
        parameters[i] = preparation.stepped(x, by: u)
        for (k, values) in states.enumerated() { values[i] = state[k] }
      }
    }
  }
}
