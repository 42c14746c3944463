/// What the parameters of an optimizer are in memory. Rules compute in Float whatever they are.
///
/// In ``bfloat16`` the caller's vector holds the model in 16 bits, as its own kernels want it, and
/// the optimizer keeps 16 bits more of each parameter. Together they are the Float that a step
/// computes: the parameter is that Float rounded to nearest, ties away from 0, and the remainder
/// what the Float's bits are more. So a run has the same bits as one in Float, for the same memory.
/// Without the remainders most steps of a training are less than half a unit in the last place of
/// a bfloat16, and would be lost.
///
/// ```swift
/// let optimizer = try Optimizer(AdamW(), layout: layout, storage: .bfloat16)
/// try optimizer.step(&parameters, gradients: gradients)  // of [BFloat16] both
/// ```
///
/// - Remainders are a state, `optimizer.state("remainder")`, of whole numbers from −32,768 to
///   32,767. They begin at 0, are saved and loaded with the other states, and stay when the caller
///   writes other parameters: `setState("remainder", of: "weight", to: …)` sets them.
/// - ``Optimizer/writeIterate(from:into:)`` gives the Floats.
/// - A Float whose nearest bfloat16 is beyond the finite ones is ∞ in the parameters; the next step
///   has the Float.
public struct Storage: Hashable, Sendable {
  let parameterType: ElementType

  /// Parameters of Float: 4 bytes each.
  public static let float32 = Storage(parameterType: .float32)

  /// Parameters of ``BFloat16``: 2 bytes each, and 2 bytes of remainder in the optimizer.
  public static let bfloat16 = Storage(parameterType: .bfloat16)

  var hasRemainder: Bool { parameterType == .bfloat16 }

  static let remainderName = "remainder"
}

extension Storage: CustomStringConvertible {
  /// `float32` or `bfloat16`.
  public var description: String { parameterType == .bfloat16 ? "bfloat16" : "float32" }
}

extension Storage: Codable {
  /// Throws `DecodingError` for another name than ``description`` gives.
  public init(from decoder: any Decoder) throws {
    let name = try decoder.singleValueContainer().decode(String.self)
    guard let own = [Storage.float32, .bfloat16].first(where: { $0.description == name }) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "no storage \"\(name)\""))
    }
    self = own
  }

  /// The name.
  public func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(description)
  }
}
