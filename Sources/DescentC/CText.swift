internal import Descent

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The names of the catalogue as C strings.
enum CText {
  static var version: UnsafePointer<CChar>? { ownVersion.pointer }

  private static let ownVersion = Text(descentVersion)

  /// A name of a rule, of a hyper-parameter or of a state; nil for any other text.
  static func of(_ name: String) -> UnsafePointer<CChar>? { all[name]?.pointer }

  private static let all: [String: Text] = {
    var names: Set<String> = []
    for type in Rules.all {
      names.insert(type.name)
      names.formUnion(type.init().hyperparameterNames)
      names.formUnion(type.variants.flatMap { $0.rule.stateNames })
    }
    return Dictionary(uniqueKeysWithValues: names.map { ($0, Text($0)) })
  }()

  // Unchecked, because a pointer is not `Sendable`. The invariant: the text is written before the
  // pointer is shared, and never changed or freed.
  private struct Text: @unchecked Sendable {
    let pointer: UnsafePointer<CChar>?

    init(_ text: String) { pointer = UnsafePointer(strdup(text)) }
  }
}
