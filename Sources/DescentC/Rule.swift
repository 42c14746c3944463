// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The names are descent.h's.

internal import CDescent
internal import Descent

/// The rule behind a C handle.
final class RuleBox {
  var rule: any UpdateRule

  init(_ rule: any UpdateRule) { self.rule = rule }

  /// A handle that owns the box.
  var handle: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

  /// Throws for a null pointer.
  static func behind(_ handle: OpaquePointer?) throws(CallError) -> RuleBox {
    guard let handle else { throw CallError.null("rule") }
    return Unmanaged<RuleBox>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
  }
}

@c @implementation
public func descent_version() -> UnsafePointer<CChar>? { CText.version }

// MARK: The catalogue

@c @implementation
public func descent_rule_count() -> Int { Rules.all.count }

@c @implementation
public func descent_rule_name_at(_ index: Int) -> UnsafePointer<CChar>? {
  Rules.all.indices.contains(index) ? CText.of(Rules.all[index].name) : nil
}

// MARK: Life

@c @implementation
public func descent_rule_create(_ name: UnsafePointer<CChar>?) -> OpaquePointer? {
  orNil {
    let type = try Rules.named(text(name, "name"))
    return RuleBox(type.init()).handle
  }
}

@c @implementation
public func descent_rule_copy(_ rule: OpaquePointer?) -> OpaquePointer? {
  orNil { RuleBox(try RuleBox.behind(rule).rule).handle }
}

@c @implementation
public func descent_rule_destroy(_ rule: OpaquePointer?) {
  guard let rule else { return }
  Unmanaged<RuleBox>.fromOpaque(UnsafeRawPointer(rule)).release()
}

// MARK: Hyper-parameters

@c @implementation
public func descent_hyperparameter_count(_ rule: OpaquePointer?) -> Int {
  (try? RuleBox.behind(rule).rule.hyperparameterNames.count) ?? 0
}

@c @implementation
public func descent_hyperparameter_name(
  _ rule: OpaquePointer?, _ index: Int
) -> UnsafePointer<CChar>? {
  name(at: index, of: (try? RuleBox.behind(rule).rule.hyperparameterNames) ?? [])
}

@c @implementation
public func descent_rule_get(
  _ rule: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: UnsafeMutablePointer<Double>?
) -> CInt {
  status {
    guard let value else { throw CallError.null("value") }
    value.pointee = try RuleBox.behind(rule).rule.hyperparameter(text(name, "name")) ?? .nan
  }
}

@c @implementation
public func descent_rule_set(
  _ rule: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: Double
) -> CInt {
  status {
    try RuleBox.behind(rule).rule.setHyperparameter(
      text(name, "name"), to: value.isNaN ? nil : value)
  }
}

@c @implementation
public func descent_rule_validate(_ rule: OpaquePointer?) -> CInt {
  status { try RuleBox.behind(rule).rule.validate() }
}

// MARK: States

@c @implementation
public func descent_state_count(_ rule: OpaquePointer?) -> Int {
  (try? RuleBox.behind(rule).rule.stateNames.count) ?? 0
}

@c @implementation
public func descent_state_name(_ rule: OpaquePointer?, _ index: Int) -> UnsafePointer<CChar>? {
  name(at: index, of: (try? RuleBox.behind(rule).rule.stateNames) ?? [])
}

@c @implementation
public func descent_state_initial_value(_ rule: OpaquePointer?, _ index: Int) -> Float {
  guard let rule = try? RuleBox.behind(rule).rule, rule.stateNames.indices.contains(index) else {
    return .nan
  }
  return Float(rule.initialValue(ofState: rule.stateNames[index]))
}

private func name(at index: Int, of names: [String]) -> UnsafePointer<CChar>? {
  names.indices.contains(index) ? CText.of(names[index]) : nil
}
