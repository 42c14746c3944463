/// What the parameters of an optimizer are in memory. Rules compute in Float whatever they are.
///
/// In 16 bits the caller's vector holds the model as its own kernels want it, and the optimizer keeps
/// the Floats that steps compute. So a run has the same bits as one in Float; without these Floats
/// most steps of a training are less than half a unit in the last place of a parameter, and would be
/// lost.
///
/// - In ``bfloat16`` the optimizer keeps 16 bits more of each parameter, for no memory more than a
///   run in Float has. The parameter is the Float rounded to nearest, ties away from 0, and its
///   remainder what the Float's bits are more: `optimizer.state("remainder")`, whole numbers from
///   −32,768 to 32,767. They begin at 0. They stay when the caller writes other parameters, each less
///   than a unit in the last place there; one that cannot belong to 0 or ∞ counts as 0.
/// - In ``float16`` it keeps the Floats, `optimizer.state("master")`. They begin as a copy of the
///   parameters with the first step, which later steps write and do not read: who writes other
///   parameters after it sets these states too.
///
/// ```swift
/// let optimizer = try Optimizer(AdamW(), layout: layout, storage: .bfloat16)
/// try optimizer.step(&parameters, gradients: gradients)  // of [BFloat16] both
/// ```
///
/// These states are saved and loaded with the others. ``Optimizer/writeIterate(from:into:)`` gives
/// the Floats; NaN has no payload, and in bfloat16 no sign. One that rounds to more than the greatest finite number of its type is ∞ in the
/// parameters; the next step has the Float.
public struct Storage: Hashable, Sendable {
  let parameterType: ElementType

  /// Parameters of Float: 4 bytes each.
  public static let float32 = Storage(parameterType: .float32)

  /// Parameters of ``BFloat16``: 2 bytes each, and 2 bytes of remainder in the optimizer.
  public static let bfloat16 = Storage(parameterType: .bfloat16)

  /// Parameters of `Float16`: 2 bytes each, and 4 bytes in the optimizer.
  public static let float16 = Storage(parameterType: .float16)

  /// What the optimizer keeps of every parameter.
  struct Companion: Hashable, Sendable {
    /// That of a state.
    let name: String
    let type: ElementType
    let operand: Operand.Name
    /// Whether it begins as a copy of the parameters, otherwise at 0.
    let copiesParameters: Bool

    static let remainder = Companion(
      name: "remainder", type: .remainder, operand: .remainder, copiesParameters: false)
    static let master = Companion(
      name: "master", type: .float32, operand: .master, copiesParameters: true)
    static let all = [remainder, master]
  }

  var companion: Companion? {
    switch parameterType {
    case .bfloat16: .remainder
    case .float16: .master
    case .float32, .remainder: nil
    }
  }
}

/// Parameters in memory and what an optimizer keeps of them.
struct StoredParameters {
  let parameters: ElementPointer
  let companion: ElementPointer?

  /// Copies the Floats that they are.
  func copyFloats(to floats: UnsafeMutablePointer<Float>, count: Int) {
    guard let companion else {
      return ElementPointer(floats).copy(from: parameters, count: count)
    }
    if companion.type == .float32 {
      return ElementPointer(floats).copy(from: companion, count: count)
    }
    for index in 0..<count {
      floats[index] = Float(
        upper: (parameters.address + 2 * index).loadUnaligned(as: BFloat16.self),
        remainder: (companion.address + 2 * index).loadUnaligned(as: Int16.self))
    }
  }

  /// Stores Floats as these parameters.
  func store(_ floats: UnsafeMutablePointer<Float>, count: Int) {
    guard let companion else {
      return parameters.copy(from: ElementPointer(floats), count: count)
    }
    if companion.type == .float32 {
      companion.copy(from: ElementPointer(floats), count: count)
      for index in 0..<count {
        let value = floats[index]
        // As kernels store it, without a payload.
        let isNaN = value.isNaN ? Float16(bitPattern: value.sign == .minus ? 0xfe00 : 0x7e00) : nil
        let rounded = isNaN ?? Float16(value)
        parameters.address.storeBytes(of: rounded, toByteOffset: 2 * index, as: Float16.self)
      }
      return
    }
    for index in 0..<count {
      let (upper, remainder) = floats[index].halves
      (parameters.address + 2 * index).storeBytes(of: upper, as: BFloat16.self)
      (companion.address + 2 * index).storeBytes(of: remainder, as: Int16.self)
    }
  }
}

extension Storage: CustomStringConvertible {
  /// `float32`, `bfloat16` or `float16`.
  public var description: String {
    parameterType.name.lowercased() + (self == .float32 ? "32" : "")
  }
}

extension Storage: Codable {
  /// Throws `DecodingError` for another name than ``description`` gives.
  public init(from decoder: any Decoder) throws {
    let name = try decoder.singleValueContainer().decode(String.self)
    guard let own = [Storage.float32, .bfloat16, .float16].first(where: { $0.description == name })
    else {
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
