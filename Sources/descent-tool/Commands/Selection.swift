import ArgumentParser
import Descent
import Foundation

#if OpenCL
import OpenCLHost
#endif

/// An engine by its name on the command line: `cpu`, `reference`, `opencl:0`.
struct SelectedEngine {
  let name: String
  let choice: EngineChoice
  #if OpenCL
  /// nil for the engines of this processor.
  var device: Device?
  /// The launch shape of the choice, if it has one.
  var shape: LaunchShape?
  #endif

  /// What a `--device` may be, for help.
  static let names = "automatic, cpu, reference, \(openCLNames)"
  static let openCLNames =
    "opencl, opencl:N or a part of an OpenCL device's or platform's name"

  /// The engines that a `--device` names: `all`, or names between commas. A part of a device's or
  /// platform's name selects all devices that have it.
  static func parse(_ text: String) throws -> [SelectedEngine] {
    var seen: Set<String> = []
    return try unique(namesBetweenCommas(text)) { name in
      if name == "all" { return all }
      // What runs is named, so that results can be compared; `opencl` alone is the first device.
      let sought = name == "automatic" ? automatic : name == "opencl" ? "opencl:0" : name
      if let engine = all.first(where: { $0.name == sought }) { return [engine] }
      let found = openCL(named: name)
      guard found.isEmpty else { return found }
      throw ValidationError(
        "there is no device \"\(name)\"; there is automatic, "
          + all.map { $0.name }.joined(separator: ", ")
          + ", all, or a part of an OpenCL device's or platform's name\(hint)")
    }.filter { seen.insert($0.name).inserted }
  }

  /// The name of the engine that `.automatic` takes.
  static var automatic: String {
    #if OpenCL
    let device = AutomaticChoice().device
    return all.first { $0.device != nil && $0.device == device }?.name ?? "cpu"
    #else
    return "cpu"
    #endif
  }

  /// Whether it promises the reference's bits.
  var promisesSameBits: Bool {
    #if OpenCL
    device?.sameBits.isYes ?? true
    #else
    true
    #endif
  }

  /// Every engine of this machine.
  static var all: [SelectedEngine] {
    [
      SelectedEngine(name: "cpu", choice: .cpu),
      SelectedEngine(name: "reference", choice: .reference),
    ] + openCL
  }

  /// The engine in a new context that all its optimizers share, so that each program is built once.
  ///
  /// Where no context can be opened the engine stays as it is: each optimizer then throws the
  /// reason.
  func sharingContext() -> SelectedEngine {
    #if OpenCL
    guard let device, device.isAvailable,
      let queue = try? CommandQueue(Context(device))
    else { return self }
    return SelectedEngine(
      name: name, choice: .openCL(queue, shape: shape), device: device, shape: shape)
    #else
    return self
    #endif
  }

  #if OpenCL
  private static var openCL: [SelectedEngine] {
    Device.all.enumerated().map {
      SelectedEngine(name: "opencl:\($0)", choice: .openCL($1), device: $1)
    }
  }

  /// The devices whose own name or whose platform's has this in it, with `opencl:` in front or not.
  private static func openCL(named name: String) -> [SelectedEngine] {
    let prefix = "opencl:"
    let part = (name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name).lowercased()
    if part.isEmpty || part.allSatisfy(\.isNumber) { return [] }
    return openCL.filter { engine in
      guard let device = engine.device else { return false }
      return [device.name, device.platform.name].contains { $0.lowercased().contains(part) }
    }
  }

  private static var hint: String {
    Device.all.isEmpty ? " (no OpenCL device was found: descent devices says more)" : ""
  }
  #else
  private static var openCL: [SelectedEngine] { [] }
  private static func openCL(named name: String) -> [SelectedEngine] { [] }
  private static var hint: String { " (this build has no OpenCL)" }
  #endif
}

/// What the help says of a `--rule`.
let rulesHelp: ArgumentHelp = "Rules between commas, or all; without a rule: all,-muon."

/// The rules that a `--rule` names: `all`, or names between commas; without those after a minus.
func selectedRules(_ text: String) throws -> [any UpdateRule.Type] {
  let names = namesBetweenCommas(text)
  let leftOut = try names.filter { $0.hasPrefix("-") }.map { try ruleType($0.dropFirst()).name }
  let selected = try unique(names.filter { !$0.hasPrefix("-") }) { name in
    name == "all" ? Rules.all : [try ruleType(name)]
  }
  let rules = selected.filter { !leftOut.contains($0.name) }
  if rules.isEmpty { throw ValidationError("--rule \(text) leaves no rule") }
  return rules
}

private func ruleType(_ name: some StringProtocol) throws -> any UpdateRule.Type {
  do {
    return try Rules.named(String(name))
  } catch {
    throw ValidationError("\(error), all")
  }
}

/// The names between commas, without blanks around them.
private func namesBetweenCommas(_ text: String) -> [String] {
  text.split(separator: ",", omittingEmptySubsequences: false)
    .map { $0.trimmingCharacters(in: .whitespaces) }
}

/// The values of the names; a name given twice counts once.
private func unique<Value>(
  _ names: [String], _ values: (String) throws -> [Value]
) throws -> [Value] {
  var seen: Set<String> = []
  if names.count > 1 && names.contains("all") { return try values("all") }
  return try names.filter { seen.insert($0).inserted }.flatMap(values)
}
