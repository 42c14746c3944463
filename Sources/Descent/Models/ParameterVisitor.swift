/// The visitor that receives the tensors of a model: see ``ParameterVisitable``.
///
/// Arrays and memory with a stable address are updated in place. A span, a single number or another
/// collection, whose pointer is valid only during the visit, is copied into a vector of the step's
/// own and back. Of more than 512 arrays the shortest are copied too; on a thread with a small
/// stack the limit is lower. A shape that is left out is that of a vector.
public struct ParameterVisitor: ~Copyable {
  private let host: any TensorHost
  private var path: [String] = []

  init(_ host: any TensorHost) { self.host = host }

  /// A tensor in an array. It is taken out of the variable and put back, which copies nothing;
  /// while a step runs, the variable holds something else. An array that somebody else holds as
  /// well is copied before it is changed, as everywhere in Swift.
  ///
  /// The shape is row-major. It must not follow from the sizes of arrays that were passed before
  /// this one, since those may be out by now.
  public mutating func visit(
    _ name: String, _ elements: inout [Float], shape: @autoclosure () -> [Int]? = nil
  ) {
    let shape = host.needsShapes ? shape() ?? [elements.count] : []
    host.visit(TensorName(path: path, name: name), shape, &elements)
  }

  /// A tensor in memory of the model's own. The memory must stay valid at its address and must not
  /// be accessed until the call that visits has returned.
  public mutating func visit(
    _ name: String, _ elements: UnsafeMutableBufferPointer<Float>,
    shape: @autoclosure () -> [Int]? = nil
  ) {
    visit(name, elements, shape(), .stays)
  }

  /// A tensor in the memory of a span, as in `visitor.visit("weight", weight.mutableSpan)`.
  public mutating func visit(
    _ name: String, _ elements: consuming MutableSpan<Float>,
    shape: @autoclosure () -> [Int]? = nil
  ) {
    elements.withUnsafeMutableBufferPointer { visit(name, $0, shape(), .lent) }
  }

  /// A single number: a tensor of the empty shape.
  public mutating func visit(_ name: String, _ number: inout Float) {
    withUnsafeMutablePointer(to: &number) {
      visit(name, UnsafeMutableBufferPointer(start: $0, count: 1), [], .lent)
    }
  }

  /// A tensor in any other collection, in the order of its elements.
  public mutating func visit<Elements: MutableCollection>(
    _ name: String, _ elements: inout Elements, shape: @autoclosure () -> [Int]? = nil
  ) where Elements.Element == Float {
    var copy = Array(elements)
    copy.withUnsafeMutableBufferPointer { visit(name, $0, shape(), .copy) }
    guard host.changes else { return }
    for (index, value) in zip(elements.indices, copy) { elements[index] = value }
  }

  private mutating func visit(
    _ name: String, _ elements: UnsafeMutableBufferPointer<Float>,
    _ shape: @autoclosure () -> [Int]?, _ memory: TensorMemory
  ) {
    let shape = host.needsShapes ? shape() ?? [elements.count] : []
    host.visit(TensorName(path: path, name: name), shape, elements, memory)
  }

  /// A part of the model, whose tensors are named `part.tensor`.
  public mutating func visit(_ name: String, _ part: inout some ParameterVisitable) {
    path.append(name)
    part.visitParameters(&self)
    path.removeLast()
  }

  /// Parts of the model, such as its layers, whose tensors are named `parts.0.tensor` and so on.
  public mutating func visit<Part: ParameterVisitable>(_ name: String, _ parts: inout [Part]) {
    path.append(name)
    for index in parts.indices { visit(String(index), &parts[index]) }
    path.removeLast()
  }

  /// A part that may be missing; then it passes nothing.
  public mutating func visit<Part: ParameterVisitable>(_ name: String, _ part: inout Part?) {
    part?.visit(name, to: &self)
  }
}

extension ParameterVisitable {
  fileprivate mutating func visit(_ name: String, to visitor: inout ParameterVisitor) {
    visitor.visit(name, &self)
  }
}

/// What visitors do with tensors.
protocol TensorHost: AnyObject {
  /// Whether it reads shapes in this visit.
  var needsShapes: Bool { get }

  /// Whether it changes elements in this visit.
  var changes: Bool { get }

  func visit(_ name: TensorName, _ shape: [Int], _ elements: inout [Float])

  func visit(
    _ name: TensorName, _ shape: [Int], _ elements: UnsafeMutableBufferPointer<Float>,
    _ memory: TensorMemory)
}

/// What a visitor is handed that is no array.
enum TensorMemory {
  /// The model's, until the call that visits returns.
  case stays
  /// The model's, for the moment.
  case lent
  /// A copy, for the moment.
  case copy
}

/// `layers.0.weight`, joined only if needed.
struct TensorName: CustomStringConvertible {
  let path: [String]
  let name: String

  var description: String { (path + [name]).joined(separator: ".") }

  /// Whether this is `other`, without making a string.
  func matches(_ other: String) -> Bool {
    var rest = other.utf8[...]
    for part in path {
      guard Self.drop(part, from: &rest), rest.popFirst() == UInt8(ascii: ".") else { return false }
    }
    return Self.drop(name, from: &rest) && rest.isEmpty
  }

  private static func drop(_ part: String, from rest: inout Substring.UTF8View) -> Bool {
    guard rest.starts(with: part.utf8) else { return false }
    rest.removeFirst(part.utf8.count)
    return true
  }
}
