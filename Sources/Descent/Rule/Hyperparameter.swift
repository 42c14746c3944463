/// One hyper-parameter of a rule: its name, its key path and its range. A rule lists them once;
/// validation, coding and lookup by name follow from the list.
public struct Hyperparameter<Rule>: Sendable {
  /// The key path of a value in the rule.
  public typealias Path<Value> = any WritableKeyPath<Rule, Value> & Sendable

  /// What a number may be. It is finite in any case, also as a `Float`, and one above 0 stays above
  /// 0 as a `Float`: 1e-46 is refused, which would be 0 there without a word.
  public enum Allowed: Sendable, CustomStringConvertible {
    /// 0 or more, as a learning rate.
    case atLeastZero
    /// 0 or less, as an exponent.
    case atMostZero
    /// More than 0, also as a `Float`.
    case aboveZero
    /// 0 or more and below 1, as β and γ.
    case fromZeroToBelowOne
    /// 0 to 1, both included, as a dampening.
    case fromZeroToOne

    func contains(_ value: Double) -> Bool {
      guard Float(value).isFinite, value.keepsItsSignAsFloat else { return false }
      return switch self {
      case .atLeastZero: value >= 0
      case .atMostZero: value <= 0
      case .aboveZero: value > 0
      case .fromZeroToBelowOne: value >= 0 && value < 1
      case .fromZeroToOne: value >= 0 && value <= 1
      }
    }

    public var description: String {
      switch self {
      case .atLeastZero: "a number of at least 0 that a Float can hold"
      case .atMostZero: "a number of at most 0 that a Float can hold"
      case .aboveZero: "a number above 0 that a Float can hold"
      case .fromZeroToBelowOne: "a number of at least 0 and below 1 that a Float can hold"
      case .fromZeroToOne: "a number from 0 to 1 that a Float can hold"
      }
    }
  }

  enum Storage: Sendable {
    case number(Path<Double>, Allowed)
    case optional(Path<Double?>, Allowed)
    case flag(Path<Bool>)
    case fixed(Bool)
  }

  /// What it is: a number, a number that may be left out, or a switch.
  public enum Kind: Sendable {
    /// A `Double`.
    case number
    /// A `Double?`.
    case optional
    /// A `Bool`.
    case flag
  }

  /// What it is called in files and on the command line: `"learningRate"`.
  public let name: String
  let storage: Storage

  /// What it is; a switch that is set for good is a ``Kind/flag``.
  public var kind: Kind {
    switch storage {
    case .number: .number
    case .optional: .optional
    case .flag, .fixed: .flag
    }
  }

  /// A number with its allowed range.
  public static func number(_ name: String, _ path: Path<Double>, _ allowed: Allowed) -> Self {
    Self(name: name, storage: .number(path, allowed))
  }

  /// A number that may be left out.
  public static func optional(_ name: String, _ path: Path<Double?>, _ allowed: Allowed) -> Self {
    Self(name: name, storage: .optional(path, allowed))
  }

  /// A switch.
  public static func flag(_ name: String, _ path: Path<Bool>) -> Self {
    Self(name: name, storage: .flag(path))
  }

  /// A switch that this rule has set for good, such as AdamW's decoupled decay.
  public static func fixed(_ name: String, _ value: Bool) -> Self {
    Self(name: name, storage: .fixed(value))
  }

  /// The value that is not allowed, if it is not.
  func violation(in rule: Rule) -> (value: Double, allowed: Allowed)? {
    let (value, allowed): (Double?, Allowed)
    switch storage {
    case .number(let path, let range): (value, allowed) = (rule[keyPath: path], range)
    case .optional(let path, let range): (value, allowed) = (rule[keyPath: path], range)
    case .flag, .fixed: return nil
    }
    guard let value, !allowed.contains(value) else { return nil }
    return (value, allowed)
  }
}

/// A key by name: hyper-parameters are coded under the names of their list.
struct NameKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

extension UpdateRule {
  public func validate() throws {
    for parameter in Self.hyperparameters {
      if let (value, allowed) = parameter.violation(in: self) {
        throw DescentError.hyperparameter(
          rule: Self.name, name: parameter.name, value: value, allowed: allowed.description)
      }
    }
    if let reason = conflict {
      throw DescentError.combination(rule: Self.name, reason: reason)
    }
    guard scalarsAreFinite else {
      throw DescentError.combination(
        rule: Self.name,
        reason: "learningRate is \(learningRate), and what a step makes of it with the other "
          + "hyper-parameters, such as η/(1 − β₁) or ηλ, is beyond a Float; allowed is less"
      )
    }
  }

  /// Whether all that a kernel is given is finite as a `Float`. A bias correction is the greatest
  /// at the first step.
  var scalarsAreFinite: Bool {
    var history = history.map(\.start)
    return Preparation<Float>(self, gradientScale: 1).decoupledDecay.isFinite
      && withScalars(at: 1, history: &history, gradientScale: 1) { _, scalars in
        scalars.bindMemory(to: Float.self).allSatisfy { $0.isFinite }
      }
  }

  /// Every hyper-parameter by its name. Those left out keep their defaults; a name that the rule
  /// does not have, a value out of range or a combination that it refuses throws ``DescentError``.
  public init(from decoder: any Decoder) throws {
    self.init()
    let values = try decoder.container(keyedBy: NameKey.self)
    let known = Self.hyperparameters.map(\.name)
    if let stranger = values.allKeys.first(where: { !known.contains($0.stringValue) }) {
      throw DescentError.unknown(
        kind: "hyper-parameter of \(Self.name)", name: stranger.stringValue, known: known)
    }
    for parameter in Self.hyperparameters {
      let key = NameKey(stringValue: parameter.name)
      guard values.contains(key) else { continue }
      switch parameter.storage {
      case .number(let path, _): self[keyPath: path] = try values.decode(Double.self, forKey: key)
      case .optional(let path, _):
        self[keyPath: path] = try values.decode(Double?.self, forKey: key)
      case .flag(let path): self[keyPath: path] = try values.decode(Bool.self, forKey: key)
      case .fixed(let value):
        guard try values.decode(Bool.self, forKey: key) == value else {
          throw DescentError.combination(
            rule: Self.name, reason: "\(parameter.name) is always \(value)")
        }
      }
    }
    try validate()
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: NameKey.self)
    for parameter in Self.hyperparameters {
      let key = NameKey(stringValue: parameter.name)
      switch parameter.storage {
      case .number(let path, _): try values.encode(self[keyPath: path], forKey: key)
      case .optional(let path, _): try values.encodeIfPresent(self[keyPath: path], forKey: key)
      case .flag(let path): try values.encode(self[keyPath: path], forKey: key)
      case .fixed(let value): try values.encode(value, forKey: key)
      }
    }
  }
}
