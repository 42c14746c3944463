import Descent
import _Differentiation

/// Any of Descent's rules behind `update(_:along:)` of swift-apis and TaylorTorch: models that hand
/// their tensors to a visitor, and tangent vectors that do likewise.
///
/// What does not fit: `update` does not throw, so an error is kept for the caller to ask for; a
/// model has to say its tensors' names once more, since key paths have none; its tangent vector
/// must be written out, since one that Swift makes up cannot be extended; a tensor of those
/// libraries must be contiguous and on the host while it is visited; and the zero tangent of an
/// array has no elements, which is refused unless `optimizer.leftOut` names the tensor.
public final class TangentDescent<Model: Differentiable & ParameterVisitable>: TangentOptimizer
where Model.TangentVector: ParameterVisitable {
  public let optimizer: Optimizer
  /// The first error since it was last set to nil; the model stays as it is where one occurs.
  public var error: (any Error)?

  public init(for model: Model, _ rule: any UpdateRule) throws {
    optimizer = try Optimizer(rule, layout: ParameterLayout(of: model))
  }

  public var learningRate: Float {
    get { Float(optimizer.rule.learningRate) }
    set { optimizer.setLearningRate(Double(newValue)) }
  }

  public func update(_ model: inout Model, along direction: Model.TangentVector) {
    do {
      try optimizer.step(&model, gradients: direction)
    } catch {
      self.error = self.error ?? error
    }
  }
}
