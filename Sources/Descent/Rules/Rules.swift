/// The catalogue: every rule of the package, in the order of the documentation. Tests,
/// `descent verify` and the command line find rules here.
public enum Rules {
  /// The types, each once.
  public static let all: [any UpdateRule.Type] = [
    SGD.self,
    Momentum.self,
    Nesterov.self,
    AdaGrad.self,
    RMSProp.self,
    AdaDelta.self,
    Adam.self,
    AdamW.self,
    AMSGrad.self,
    LAMB.self,
    LARS.self,
    NovoGrad.self,
    Adafactor.self,
    Prodigy.self,
  ]

  /// The rule of that name; throws ``DescentError/unknown(kind:name:known:)`` with the known ones.
  public static func named(_ name: String) throws -> any UpdateRule.Type {
    guard let rule = all.first(where: { $0.name == name }) else {
      throw DescentError.unknown(kind: "rule", name: name, known: all.map { $0.name })
    }
    return rule
  }
}
