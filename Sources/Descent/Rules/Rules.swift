/// The catalogue: every rule of the package, in the order of the documentation. Tests,
/// `descent verify` and the command line find rules here.
public enum Rules {
  /// Rules that have their main idea in common.
  public struct Family: Sendable {
    /// What they have in common, for headings.
    public let title: String
    /// The types.
    public let rules: [any UpdateRule.Type]
  }

  /// Every rule, each once, by family. No family has more than nine rules, so that a plot can tell
  /// them apart.
  public static let families = [
    Family(
      title: "Gradient and momentum",
      rules: [
        SGD.self,
        Momentum.self,
        Nesterov.self,
      ]),
    Family(
      title: "A rate for each parameter",
      rules: [
        AdaGrad.self,
        RMSProp.self,
        AdaDelta.self,
      ]),
    Family(
      title: "Adam and its corrections",
      rules: [
        Adam.self,
        AdamW.self,
        AMSGrad.self,
        AdaMax.self,
        NAdam.self,
        RAdam.self,
      ]),
    Family(
      title: "After Adam",
      rules: [
        AdaBelief.self,
        Yogi.self,
        Adan.self,
        ADOPT.self,
        AdEMAMix.self,
      ]),
    Family(
      title: "Signs",
      rules: [
        Rprop.self,
        Signum.self,
        Lion.self,
      ]),
    Family(
      title: "Without a schedule",
      rules: [
        ScheduleFreeSGD.self,
        ScheduleFreeAdamW.self,
        Prodigy.self,
      ]),
    Family(
      title: "A rate for each tensor",
      rules: [
        LARS.self,
        LAMB.self,
        NovoGrad.self,
      ]),
    Family(
      title: "Matrices",
      rules: [
        Adafactor.self,
        Muon.self,
      ]),
  ]

  /// The types, each once.
  public static let all = families.flatMap(\.rules)

  /// The rule of that name; throws ``DescentError/unknown(kind:name:known:)`` with the known ones.
  public static func named(_ name: String) throws -> any UpdateRule.Type {
    guard let rule = all.first(where: { $0.name == name }) else {
      throw DescentError.unknown(kind: "rule", name: name, known: all.map { $0.name })
    }
    return rule
  }
}
