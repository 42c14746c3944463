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

/// The elements of one pass, for a rule's plain Swift form.
public struct ReferenceElements<T: BinaryFloatingPoint> {
  /// Numbers of another shape: one for all elements, or one for each.
  struct Numbers {
    let memory: UnsafeMutablePointer<T>
    let step: Int
  }

  /// nil in a pass over numbers.
  var parameters: UnsafeMutablePointer<T>?
  var gradients: UnsafePointer<T>?
  /// Those of the parameters' shape; in a pass over numbers those that it is over.
  let states: [UnsafeMutablePointer<T>]
  let count: Int
  let preparation: Preparation<T>
  /// The values of the rule's ``UpdateRule/history`` before this step.
  public var history: [Double] = []
  /// Which of the rule's passes this is: its place in ``UpdateRule/passes``.
  public var pass = 0
  var numbers: [Numbers] = []
  var terms: [UnsafeMutablePointer<T>] = []

  /// Calls the formula with every element's parameter, prepared gradient and states in turn, and
  /// subtracts the step that it returns.
  @specialized(where T == Float)
  public func update(_ step: (T, T, UnsafeMutablePointer<T>) -> T) {
    updateWithNumbers { x, g, state, _ in step(x, g, state) }
  }

  /// The same with the numbers of other shapes, in the order of the rule's states.
  @specialized(where T == Float)
  public func updateWithNumbers(
    _ step: (T, T, UnsafeMutablePointer<T>, UnsafeMutablePointer<T>) -> T
  ) {
    guard let parameters, let gradients else { return }
    forEach { i, state, number in
      let x = parameters[i]
      let u = step(x, preparation.prepared(gradients[i], at: x), state, number)
      parameters[i] = preparation.stepped(x, by: u)
    }
  }

  /// Calls `terms` with every element's parameter, prepared gradient, states and numbers, and with
  /// memory for the terms of a pass with sums.
  @specialized(where T == Float)
  public func sum(
    _ terms: (
      T, T, UnsafeMutablePointer<T>, UnsafeMutablePointer<T>, UnsafeMutablePointer<T>
    ) -> Void
  ) {
    guard let parameters, let gradients else { return }
    let own = self.terms
    withUnsafeTemporaryAllocation(of: T.self, capacity: own.count + 1) { buffer in
      buffer.initialize(repeating: 0)
      guard let term = buffer.baseAddress else { return }
      forEach { i, state, number in
        let x = parameters[i]
        terms(x, preparation.prepared(gradients[i], at: x), state, number, term)
        for (k, values) in own.enumerated() { values[i] = term[k] }
      }
    }
  }

  /// Calls `body` with the states of the shape that a pass over numbers is over, and the numbers of
  /// the shapes that have one for several of these.
  @specialized(where T == Float)
  public func each(_ body: (UnsafeMutablePointer<T>, UnsafeMutablePointer<T>) -> Void) {
    forEach { _, own, number in body(own, number) }
  }

  /// Reads states and numbers, and writes the states.
  private func forEach(
    _ body: (Int, UnsafeMutablePointer<T>, UnsafeMutablePointer<T>) -> Void
  ) {
    withUnsafeTemporaryAllocation(
      of: T.self, capacity: states.count + numbers.count + 2
    ) { buffer in
      buffer.initialize(repeating: 0)
      guard let state = buffer.baseAddress else { return }
      let number = state + states.count + 1
      for i in 0..<count {
        for (k, values) in states.enumerated() { state[k] = values[i] }
        for (k, own) in numbers.enumerated() { number[k] = own.memory[i * own.step] }
        body(i, state, number)
        for (k, values) in states.enumerated() { values[i] = state[k] }
      }
    }
  }
}
