/// An optimizer's whole state as a value: its status and the elements of its states.
///
/// ```swift
/// let state = try optimizer.state
/// let twin = try Optimizer(state, on: .cpu)  // goes on with the same bits
/// ```
///
/// A file holds the same without a second copy in memory:
/// ``Optimizer/save(to:parameters:naming:metadata:shardSize:)``.
public struct OptimizerState: Equatable, Sendable {
  /// Step counts, rule, groups and settings.
  public var status: OptimizerStatus
  /// Every state of the whole model by name, `layout.count` elements each, as the parameters lie:
  /// what lies between tensors has no meaning. States of another shape than the parameters' are
  /// tensor after tensor, without gaps.
  public var values: [String: [Float]]

  /// Put together of its parts; an optimizer that takes it checks them.
  public init(_ status: OptimizerStatus, values: [String: [Float]]) {
    (self.status, self.values) = (status, values)
  }
}
