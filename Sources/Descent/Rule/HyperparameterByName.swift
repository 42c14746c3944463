extension UpdateRule {
  /// The rule with all its hyper-parameters: `adagrad(learningRate: 0.01, weightDecay: 0.0, …)`.
  public var description: String {
    let values = Self.hyperparameters.compactMap { parameter -> String? in
      let value: String
      switch parameter.storage {
      case .number(let path, _): value = "\(self[keyPath: path])"
      case .optional(let path, _):
        guard let number = self[keyPath: path] else { return nil }
        value = "\(number)"
      case .flag(let path): value = "\(self[keyPath: path])"
      case .fixed(let fixed): value = "\(fixed)"
      }
      return "\(parameter.name): \(value)"
    }
    return "\(Self.name)(\(values.joined(separator: ", ")))"
  }

  /// The names of the rule's hyper-parameters, in the order of ``hyperparameters``.
  public var hyperparameterNames: [String] { Self.hyperparameters.map(\.name) }

  /// A hyper-parameter by its name; a switch is 0 or 1, and nil is a number that is left out.
  /// Throws ``DescentError/unknown(kind:name:known:)`` if the rule has none of that name.
  public func hyperparameter(_ name: String) throws -> Double? {
    switch try Self.named(name).storage {
    case .number(let path, _): self[keyPath: path]
    case .optional(let path, _): self[keyPath: path]
    case .flag(let path): self[keyPath: path] ? 1 : 0
    case .fixed(let value): value ? 1 : 0
    }
  }

  /// Sets a hyper-parameter by its name. Whether it goes with the others is for ``validate()`` to
  /// say.
  ///
  /// - Throws: ``DescentError``, and changes nothing, if the rule has none of that name or it
  ///   cannot have this value: a number out of its range, anything but 0 and 1 for a switch, or nil
  ///   for what cannot be left out.
  public mutating func setHyperparameter(_ name: String, to value: Double?) throws {
    let parameter = try Self.named(name)
    func refused(_ allowed: String) -> DescentError {
      .hyperparameter(rule: Self.name, name: name, value: value ?? .nan, allowed: allowed)
    }
    var changed = self
    switch parameter.storage {
    case .number(let path, let allowed):
      guard let value else { throw refused(allowed.description) }
      changed[keyPath: path] = value
    case .optional(let path, _):
      changed[keyPath: path] = value
    case .flag(let path):
      guard let value, value == 0 || value == 1 else { throw refused("0 or 1") }
      changed[keyPath: path] = value == 1
    case .fixed(let fixed):
      guard value == (fixed ? 1 : 0) else { throw refused(fixed ? "1" : "0") }
    }
    if let (_, allowed) = parameter.violation(in: changed) { throw refused(allowed.description) }
    self = changed
  }

  private static func named(_ name: String) throws -> Hyperparameter<Self> {
    guard let parameter = hyperparameters.first(where: { $0.name == name }) else {
      throw DescentError.unknown(
        kind: "hyper-parameter of \(Self.name)", name: name, known: hyperparameters.map(\.name))
    }
    return parameter
  }
}
