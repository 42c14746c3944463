// Stand-ins for two libraries' public interfaces, so that the adapters compile without them: names,
// signatures and the order of calls are theirs, the bodies are not.

import _Differentiation

// MARK: mlx-swift's MLXOptimizers

/// Stands in for `MLXArray`: a value of some shape, from which elements are copied.
public struct MLXArray: Equatable {
  public let shape: [Int]
  fileprivate let elements: [Float]

  public init(_ elements: [Float], _ shape: [Int]) {
    (self.elements, self.shape) = (elements, shape)
  }

  public func asArray(_ type: Float.Type) -> [Float] { elements }
}

/// Stands in for `OptimizerBase<State>`, of which subclasses update one array after another.
open class OptimizerBase<State> {
  public init() {}

  open func newState(parameter: MLXArray) -> State { preconditionFailure("a subclass's") }

  open func applySingle(
    gradient: MLXArray, parameter: MLXArray, state: State
  ) -> (MLXArray, State) {
    preconditionFailure("a subclass's")
  }
}

// MARK: swift-apis' and TaylorTorch's optimizers

/// Stands in for their `Optimizer`, named otherwise here because Descent has one, too.
public protocol TangentOptimizer {
  associatedtype Model: Differentiable
  associatedtype Scalar: FloatingPoint
  var learningRate: Scalar { get set }
  mutating func update(_ model: inout Model, along direction: Model.TangentVector)
}
