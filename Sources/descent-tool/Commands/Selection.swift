import ArgumentParser
import Descent

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
  #endif

  /// The engines that a `--device` names: `all`, or names between commas.
  static func parse(_ text: String) throws -> [SelectedEngine] {
    guard text != "all" else { return all }
    return try unique(text) { name in
      if name == "automatic" { return SelectedEngine(name: name, choice: .automatic) }
      // `opencl` alone is the first device.
      let sought = name == "opencl" ? "opencl:0" : name
      if let engine = all.first(where: { $0.name == sought }) { return engine }
      throw ValidationError(
        "there is no device \"\(name)\"; there is automatic, "
          + all.map { $0.name }.joined(separator: ", ") + ", all\(hint)")
    }
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

  #if OpenCL
  private static var openCL: [SelectedEngine] {
    Device.all.enumerated().map {
      SelectedEngine(name: "opencl:\($0)", choice: .openCL($1), device: $1)
    }
  }

  private static var hint: String { Device.all.isEmpty ? " (no OpenCL driver was found)" : "" }
  #else
  private static var openCL: [SelectedEngine] { [] }
  private static var hint: String { " (this build has no OpenCL)" }
  #endif
}

/// The rules that a `--rule` names: `all`, or names between commas.
func selectedRules(_ text: String) throws -> [any UpdateRule.Type] {
  guard text != "all" else { return Rules.all }
  return try unique(text) { name in
    do {
      return try Rules.named(name)
    } catch {
      throw ValidationError("\(error), all")
    }
  }
}

/// What the names between commas stand for; a name given twice counts once.
private func unique<Value>(_ text: String, _ value: (String) throws -> Value) throws -> [Value] {
  var seen: Set<String> = []
  let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  return try names.filter { seen.insert($0).inserted }.map(value)
}
