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
      parameters: UnsafeMutableBufferPointer(
        start: memory(parameters, count, "parameters"), count: count),
      gradients: UnsafeBufferPointer(
        start: memory(gradients, count, "gradients"), count: count),
      states: states, step: Int(step), gradientScale: gradient_scale)
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
      parameters: UnsafeBufferPointer(
        start: memory(parameters, count, "parameters"), count: count),
      gradients: UnsafeBufferPointer(
        start: memory(gradients, count, "gradients"), count: count),
      states: states,
      into: UnsafeMutableBufferPointer(start: memory(deltas, count, "deltas"), count: count),
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
    UnsafeMutableBufferPointer(
      start: try memory(states?[index], count, "states[\(index)]"), count: count)
  }
  return (rule, vectors)
}

/// The pointer, unless it is null and something should lie there.
private func memory<Pointer>(
  _ pointer: Pointer?, _ count: Int, _ what: @autoclosure () -> String
) throws -> Pointer? {
  if pointer == nil && count > 0 { throw CallError.null(what()) }
  return pointer
}
