/// Where a model's tensors lie in one flat vector of parameters: one after the other, in the order in
/// which they were appended, without gaps. Gradients and states lie the same way.
public struct ParameterLayout: Hashable, Sendable {
  /// One tensor: its name, its shape, and its elements' range in the flat vector, row-major.
  public struct Tensor: Hashable, Sendable {
    public let name: String
    public let shape: [Int]
    public let range: Range<Int>
    public var count: Int { range.count }
  }

  public private(set) var tensors: [Tensor] = []
  private var places: [String: Int] = [:]

  /// How many elements the flat vector has.
  public private(set) var count = 0

  public init() {}

  /// One tensor of `count` elements, named `parameters`. Throws if `count` is negative.
  public init(count: Int) throws {
    try append("parameters", shape: [count])
  }

  /// Appends a tensor. An empty shape is a single number, a size of 0 an empty tensor. Throws
  /// ``DescentError/layout(name:reason:)`` if the name is taken or empty, a size is negative, or the
  /// sum is more than an `Int` can count.
  public mutating func append(_ name: String, shape: [Int]) throws {
    if name.isEmpty { throw DescentError.layout(name: name, reason: "a name must not be empty") }
    if self[name] != nil { throw DescentError.layout(name: name, reason: "the name is taken") }
    if let size = shape.first(where: { $0 < 0 }) {
      throw DescentError.layout(name: name, reason: "a size of \(size) in its shape \(shape)")
    }
    var (end, overflow) = (1, false)
    for size in shape where !overflow {
      (end, overflow) = end.multipliedReportingOverflow(by: size)
    }
    if shape.contains(0) { (end, overflow) = (0, false) }
    if !overflow { (end, overflow) = end.addingReportingOverflow(count) }
    if overflow || end > Int.max / MemoryLayout<Float>.stride {
      throw DescentError.layout(name: name, reason: "more elements than memory can have: \(shape)")
    }
    places[name] = tensors.count
    tensors.append(Tensor(name: name, shape: shape, range: count..<end))
    count = end
  }

  /// The tensor of that name, if there is one.
  public subscript(name: String) -> Tensor? {
    places[name].map { tensors[$0] }
  }

  func tensor(_ name: String) throws -> Tensor {
    guard let tensor = self[name] else {
      throw DescentError.unknown(kind: "tensor", name: name, known: tensors.map(\.name))
    }
    return tensor
  }
}

extension ParameterLayout: Codable {
  private struct Entry: Codable {
    let name: String
    let shape: [Int]
  }

  /// A list of names and shapes; refuses what ``append(_:shape:)`` refuses.
  public init(from decoder: any Decoder) throws {
    for entry in try [Entry](from: decoder) { try append(entry.name, shape: entry.shape) }
  }

  public func encode(to encoder: any Encoder) throws {
    try tensors.map { Entry(name: $0.name, shape: $0.shape) }.encode(to: encoder)
  }
}
