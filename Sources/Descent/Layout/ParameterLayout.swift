/// The offsets of a model's tensors in one flat vector of parameters, and their groups. Gradients
/// and states have the same layout.
///
/// ```swift
/// var layout = ParameterLayout()
/// try layout.append("weight", shape: [10, 64])
/// try layout.append("bias", shape: [10], group: "no decay")
/// ```
///
/// Tensors follow one another without gaps, unless the layout has an ``alignment`` or a tensor an
/// offset of its own. A step neither changes the elements between tensors nor uses them in a
/// result; on a device with memory of its own, host memory is copied there and back with these
/// elements.
public struct ParameterLayout: Hashable, Sendable {
  /// One tensor: its name, its shape, and its elements' range in the flat vector, row-major.
  public struct Tensor: Hashable, Sendable {
    /// Not empty, and no other tensor's.
    public let name: String
    /// Row-major; empty for a single number.
    public let shape: [Int]
    /// The range of its elements in the flat vector.
    public let range: Range<Int>
    /// The ``ParameterGroup`` that it follows.
    public internal(set) var group: String
    /// How many elements it has.
    public var count: Int { range.count }
  }

  /// Every tensor begins at a multiple of so many bytes, unless it has an offset of its own: 4, for
  /// a packed vector, or more, for an arena.
  public let alignment: Int

  /// In the order of their offsets.
  public private(set) var tensors: [Tensor] = []
  private var places: [String: Int] = [:]

  /// The groups that tensors name, in the order in which they were first named.
  public private(set) var groupNames: [String] = []
  private var groups: [String: ParameterGroup] = [:]

  /// How many elements the flat vector has, from its start to the end of the last tensor.
  public private(set) var count = 0

  /// The number of elements of all tensors: ``count`` without the elements between them.
  public private(set) var elementCount = 0

  /// Tensors without gaps.
  public init() { alignment = MemoryLayout<Float>.stride }

  /// Tensors at multiples of `alignment` bytes. 512 suits vectors and sub-buffers of every device.
  /// Throws ``DescentError`` unless that is a power of two from 4 up.
  public init(alignment: Int) throws(DescentError) {
    guard alignment >= 4, alignment & (alignment - 1) == 0 else {
      throw .value(
        of: "alignment", given: "\(alignment) bytes", allowed: "a power of two from 4 up")
    }
    self.alignment = alignment
  }

  /// One tensor of `count` elements, named `parameters`. Throws if `count` is negative.
  public init(count: Int) throws(DescentError) {
    self.init()
    try append("parameters", shape: [count])
  }

  /// Appends a tensor. An empty shape is a single number, a size of 0 an empty tensor.
  ///
  /// - Parameters:
  ///   - name: not empty, and no other tensor's.
  ///   - shape: row-major.
  ///   - group: what ``setGroup(_:to:)`` gives settings to.
  ///   - offset: the offset of its first element in the flat vector, for memory that is already
  ///     laid out; not before the end of the tensor appended last.
  /// - Throws: ``DescentError/layout(name:reason:)`` if the name is taken or empty, a size is
  ///   negative, the tensor would overlap the last, or the sum is more than memory can have.
  public mutating func append(
    _ name: String, shape: [Int], group: String = ParameterGroup.defaultName, at offset: Int? = nil
  ) throws(DescentError) {
    if name.isEmpty { throw .layout(name: name, reason: "a name must not be empty") }
    if self[name] != nil { throw .layout(name: name, reason: "the name is taken") }
    if let size = shape.first(where: { $0 < 0 }) {
      throw .layout(name: name, reason: "a size of \(size) in its shape \(shape)")
    }
    let range = try range(name, shape, at: offset)
    if groups[group] == nil {
      groupNames.append(group)
      groups[group] = ParameterGroup()
    }
    places[name] = tensors.count
    tensors.append(Tensor(name: name, shape: shape, range: range, group: group))
    count = range.upperBound
    elementCount += range.count
  }

  private func range(
    _ name: String, _ shape: [Int], at offset: Int?
  ) throws(DescentError) -> Range<Int> {
    var (size, overflow) = (1, false)
    for side in shape where !overflow {
      (size, overflow) = size.multipliedReportingOverflow(by: side)
    }
    if shape.contains(0) { (size, overflow) = (0, false) }
    let step = alignment / MemoryLayout<Float>.stride
    let start = offset ?? (count + step - 1) / step * step
    guard start >= count else {
      throw .layout(
        name: name, reason: "an offset of \(start), before the last tensor's end at \(count)")
    }
    var end = 0
    if !overflow { (end, overflow) = start.addingReportingOverflow(size) }
    if overflow || end > Int.max / MemoryLayout<Float>.stride - step {
      throw .layout(name: name, reason: "more elements than memory can have: \(shape)")
    }
    return start..<end
  }

  /// The tensor of that name, if there is one.
  public subscript(name: String) -> Tensor? {
    places[name].map { tensors[$0] }
  }

  /// The place of a tensor in ``tensors``.
  func index(of tensor: String) -> Int? { places[tensor] }

  func tensor(_ name: String) throws(DescentError) -> Tensor {
    guard let tensor = self[name] else {
      throw .unknown(kind: "tensor", name: name, known: tensors.map(\.name))
    }
    return tensor
  }
}

// MARK: Groups

extension ParameterLayout {
  /// The settings of a group; nil if no tensor names it.
  public func group(_ name: String) -> ParameterGroup? { groups[name] }

  /// Sets what a group's tensors do otherwise. Throws ``DescentError`` if no tensor names the
  /// group, or for an invalid number.
  public mutating func setGroup(
    _ name: String, to group: ParameterGroup
  ) throws(DescentError) {
    guard groups[name] != nil else {
      throw .unknown(kind: "group", name: name, known: groupNames)
    }
    try group.validate(name)
    groups[name] = group
  }

  /// Puts every tensor for which `isMember` holds into a group, as in
  /// `layout.assign(to: "no decay") { $0.shape.count == 1 }`.
  public mutating func assign(to group: String, where isMember: (Tensor) throws -> Bool) rethrows {
    let members = try tensors.indices.filter { try isMember(tensors[$0]) }
    for index in members { tensors[index].group = group }
    let before = groups
    groupNames = []
    groups = [:]
    for tensor in tensors where groups[tensor.group] == nil {
      groupNames.append(tensor.group)
      groups[tensor.group] = before[tensor.group] ?? ParameterGroup()
    }
  }

  /// Contiguous elements that are treated alike.
  struct Stretch: Equatable {
    var range: Range<Int>
    /// The group's place in ``groupNames``; behind the last for what is left out.
    var group: Int
    /// Which of the step's clipping coefficients they have.
    var set: Int
    /// Which of the step's programs updates them.
    var program = 0
    /// The indices of their numbers of other shapes.
    var place = NumberPlace()

    /// Whether `next` begins where this ends and is treated alike.
    func continues(with next: Stretch) -> Bool {
      group == next.group && set == next.set && program == next.program
        && range.upperBound == next.range.lowerBound
    }
  }

  /// The elements of all tensors as maximal contiguous extents, regardless of groups.
  var occupied: [Stretch] {
    tensors.reduce(into: []) { result, tensor in
      if tensor.count == 0 { return }
      let own = Stretch(range: tensor.range, group: 0, set: 0)
      if let last = result.last, last.continues(with: own) {
        result[result.count - 1].range = last.range.lowerBound..<own.range.upperBound
      } else {
        result.append(own)
      }
    }
  }

  /// Maximal contiguous extents with the same group and clipping set. `sets` gives a clipping set
  /// for each tensor; `leftOut` says whether it is, and is empty where none is; `programs` gives a
  /// program for each group, and is empty where there is one.
  ///
  /// - Parameter cut: gives the stretches of a tensor, which are then not joined with others; nil
  ///   where they may be.
  func stretches(
    sets: [Int]? = nil, leftOut: [Bool] = [], programs: [Int] = [],
    cut: (_ tensor: Int, _ whole: Stretch) -> [Stretch]? = { _, _ in nil }
  ) -> [Stretch] {
    let indices = Dictionary(uniqueKeysWithValues: zip(groupNames, groupNames.indices))
    var result: [Stretch] = []
    for (index, tensor) in tensors.enumerated() where tensor.count > 0 {
      guard let group = indices[tensor.group] else { continue }
      let isLeftOut = !leftOut.isEmpty && leftOut[index]
      let own = Stretch(
        range: tensor.range, group: isLeftOut ? groupNames.count : group, set: sets?[index] ?? 0,
        program: programs.isEmpty ? 0 : programs[group])
      if let parts = cut(index, own) {
        result += parts
      } else if let last = result.last, last.continues(with: own) {
        result[result.count - 1].range = last.range.lowerBound..<own.range.upperBound
      } else {
        result.append(own)
      }
    }
    return result
  }
}

extension ParameterLayout: Codable {
  private enum Key: CodingKey { case alignment, tensors, groups }

  private struct Entry: Codable {
    let name: String
    let shape: [Int]
    let offset: Int
    let group: String
  }

  /// Refuses what ``append(_:shape:group:at:)`` and ``setGroup(_:to:)`` refuse.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    try self.init(alignment: values.decode(Int.self, forKey: .alignment))
    for entry in try values.decode([Entry].self, forKey: .tensors) {
      try append(entry.name, shape: entry.shape, group: entry.group, at: entry.offset)
    }
    for (name, group) in try values.decode([String: ParameterGroup].self, forKey: .groups) {
      try setGroup(name, to: group)
    }
  }

  /// The alignment, every tensor's name, shape, offset and group, and the groups' settings.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(alignment, forKey: .alignment)
    try values.encode(
      tensors.map {
        Entry(name: $0.name, shape: $0.shape, offset: $0.range.lowerBound, group: $0.group)
      }, forKey: .tensors)
    try values.encode(groups, forKey: .groups)
  }
}
