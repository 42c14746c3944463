// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The names are descent.h's.

internal import CDescent
internal import Descent

@c @implementation
public func descent_update(
  _ rule: OpaquePointer?, _ parameters: UnsafeMutablePointer<Float>?,
  _ gradients: UnsafePointer<Float>?, _ states: UnsafePointer<UnsafeMutablePointer<Float>?>?,
  _ count: Int, _ step: Int64, _ gradient_scale: Double
) -> CInt {
  status {
    let (rule, states) = try checked(rule, states, count)
    try rule.update(
      parameters: vector(parameters, count, "parameters"),
      gradients: vector(gradients, count, "gradients"), states: states, step: Int(step),
      gradientScale: gradient_scale)
  }
}

@c @implementation
public func descent_delta(
  _ rule: OpaquePointer?, _ parameters: UnsafePointer<Float>?,
  _ gradients: UnsafePointer<Float>?, _ states: UnsafePointer<UnsafeMutablePointer<Float>?>?,
  _ deltas: UnsafeMutablePointer<Float>?, _ count: Int, _ step: Int64, _ gradient_scale: Double
) -> CInt {
  status {
    let (rule, states) = try checked(rule, states, count)
    try rule.delta(
      parameters: vector(parameters, count, "parameters"),
      gradients: vector(gradients, count, "gradients"), states: states,
      into: vector(deltas, count, "deltas"),
      step: Int(step), gradientScale: gradient_scale)
  }
}

/// The rule behind the handle, and its states.
private func checked(
  _ rule: OpaquePointer?, _ states: UnsafePointer<UnsafeMutablePointer<Float>?>?, _ count: Int
) throws -> (rule: any UpdateRule, states: [UnsafeMutableBufferPointer<Float>]) {
  let rule = try RuleBox.behind(rule).rule
  guard count >= 0 && count <= Int.max / MemoryLayout<Float>.stride else {
    throw CallError.count(UInt(bitPattern: count))
  }
  let names = rule.stateNames
  if states == nil && !names.isEmpty { throw CallError.null("states") }
  let vectors = try names.indices.map { index in
    try vector(states?[index], count, "states[\(index)]")
  }
  return (rule, vectors)
}

/// The vector at the pointer. Throws if the pointer is null and the count is not 0.
private func vector(
  _ pointer: UnsafeMutablePointer<Float>?, _ count: Int, _ what: @autoclosure () -> String
) throws -> UnsafeMutableBufferPointer<Float> {
  if pointer == nil && count > 0 { throw CallError.null(what()) }
  return UnsafeMutableBufferPointer(start: pointer, count: count)
}

private func vector(
  _ pointer: UnsafePointer<Float>?, _ count: Int, _ what: @autoclosure () -> String
) throws -> UnsafeBufferPointer<Float> {
  UnsafeBufferPointer(try vector(UnsafeMutablePointer(mutating: pointer), count, what()))
}
