/// What happens to a gradient and a parameter before the rule sees them: scale, ascent, clip by value,
/// weight decay.
/// The same for devices: Kernels/prepare.cl.
public struct Preparation<T: BinaryFloatingPoint> {
  var gradientScale: T
  let limit: T
  let coupledDecay: T
  let shrink: T

  init(_ rule: some UpdateRule, gradientScale: Double, limit: Double = .infinity) {
    self.gradientScale = T(rule.maximize ? -gradientScale : gradientScale)
    self.limit = T(limit)
    coupledDecay = rule.decoupled ? T(0.0) : T(rule.weightDecay)
    shrink = rule.decoupled ? T(1 - rule.learningRate * rule.weightDecay) : T(1.0)
  }

  func callAsFunction(_ x: inout T, _ g: inout T) {
    g = gradientScale * g
    if limit != .infinity {
      if g > limit { g = limit }
      if g < -limit { g = -limit }
    }
    if coupledDecay != 0 { g = g + coupledDecay * x }
    x = shrink * x
  }
}

/// The elements of one step, for a rule's plain Swift form.
public struct ReferenceElements<T: BinaryFloatingPoint> {
  let parameters: UnsafeMutablePointer<T>
  let gradients: UnsafePointer<T>
  let states: [UnsafeMutablePointer<T>]
  let count: Int
  let preparation: Preparation<T>

  /// Calls the formula with every element's parameter, prepared gradient and states in turn.
  @specialized(where T == Float)
  public func update(_ formula: (inout T, T, UnsafeMutablePointer<T>) -> Void) {
    withUnsafeTemporaryAllocation(of: T.self, capacity: states.count + 1) { buffer in
      guard let state = buffer.baseAddress else { return }
      for i in 0..<count {
        for (k, values) in states.enumerated() { (state + k).initialize(to: values[i]) }
        var (x, g) = (parameters[i], gradients[i])
        preparation(&x, &g)
        formula(&x, g, state)
        parameters[i] = x
        for (k, values) in states.enumerated() { values[i] = state[k] }
      }
    }
  }
}
