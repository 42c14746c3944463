import Descent

/// Any of Descent's rules as a subclass of mlx-swift's `OptimizerBase`, which calls `applySingle`
/// for each parameter of a model in turn and keeps what it returns. The moments are MLX's, so the
/// stateless tier does the step.
///
/// What does not fit: MLX's arrays are immutable and their memory is not lent, so parameter,
/// gradient and states are copied in and out; there is no place for a step count, so the state
/// carries it; errors have nowhere to go; and a call sees one array, so norms of a whole model are
/// out of reach.
public final class MLXDescent<Rule: UpdateRule>: OptimizerBase<MLXDescent.State> {
  public struct State {
    /// Steps taken by this parameter.
    public var step = 0
    public var moments: [[Float]]
  }

  public var rule: Rule
  /// The first error since it was last set to nil; a parameter stays as it is where one occurs.
  public var error: (any Error)?

  public init(_ rule: Rule) { self.rule = rule }

  override public func newState(parameter: MLXArray) -> State {
    let elements = parameter.asArray(Float.self)
    return State(moments: rule.stateNames.map { rule.initialState($0, parameters: elements) })
  }

  override public func applySingle(
    gradient: MLXArray, parameter: MLXArray, state: State
  ) -> (MLXArray, State) {
    var (elements, next) = (parameter.asArray(Float.self), state)
    next.step += 1
    do {
      try rule.update(
        &elements, gradients: gradient.asArray(Float.self), states: &next.moments, step: next.step)
    } catch {
      self.error = self.error ?? error
      return (parameter, state)
    }
    return (MLXArray(elements, parameter.shape), next)
  }
}
