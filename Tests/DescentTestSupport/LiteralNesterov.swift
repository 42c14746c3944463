/// The two-point form of Nesterov's method, word for word: what the rule `Nesterov` is compared
/// with. It takes the gradient as a function, since that is evaluated at a point that is stored
/// nowhere.
package struct LiteralNesterov<T: BinaryFloatingPoint> {
  /// W.
  package private(set) var iterate: [T]
  /// V.
  package private(set) var velocity: [T]

  /// W at `start`, and V at 0.
  package init(_ start: [T]) {
    iterate = start
    velocity = Array(repeating: 0, count: start.count)
  }

  /// W′ = W − γV; V ← γV + η∇f(W′); W ← W − V.
  package mutating func step(learningRate: T, momentum: T, gradient: ([T]) -> [T]) {
    let ahead = zip(iterate, velocity).map { w, v in w - momentum * v }
    let g = gradient(ahead)
    for i in iterate.indices {
      velocity[i] = momentum * velocity[i] + learningRate * g[i]
      iterate[i] = iterate[i] - velocity[i]
    }
  }
}
