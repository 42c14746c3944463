/// A model, or a part of one, that passes its tensors to a visitor in place, one after another.
///
/// ```swift
/// struct Dense: ParameterVisitable {
///   let inputs, outputs: Int
///   var weight: [Float]
///   var bias: [Float]
///
///   mutating func visitParameters(_ visitor: inout ParameterVisitor) {
///     visitor.visit("weight", &weight, shape: [outputs, inputs])
///     visitor.visit("bias", &bias)
///   }
/// }
/// ```
///
/// A model is a ``MutableVector``: steps, accumulation, saving and loading take it where they take
/// an array. Gradients are visited likewise: they may be of the model's own type, or of any other
/// that passes the same names and shapes in the same order, such as the model's `TangentVector`.
public protocol ParameterVisitable: MutableVector {
  /// Passes every tensor to the visitor. Requirements:
  ///
  /// - Each tensor is passed once, and the same tensors in the same order in every visit. A step
  ///   visits gradients that it only reads once. It visits what it writes twice, to borrow the
  ///   tensors and to return them, and again if the second visit did not pass all of them.
  /// - The tensors passed do not depend on how many elements an array has. A borrowed array has
  ///   another count, which is never 0.
  /// - The tensors passed do not depend on the value of a number or a span. While it is borrowed,
  ///   one bit of its first element is changed.
  /// - Tied tensors are passed once. A step refuses parameters if an array, a number or a span is
  ///   passed twice.
  /// - Two computed properties over the same storage are not detected, nor is another collection
  ///   that is passed twice. Both are errors.
  mutating func visitParameters(_ visitor: inout ParameterVisitor)
}

extension ParameterVisitable {
  /// Calls `body` with every tensor's name, shape and elements, in the order of the visit. The
  /// memory is good for that call only. What follows the first error is not visited.
  public mutating func forEachParameter(
    _ body: (
      _ name: String, _ shape: [Int], _ elements: UnsafeMutableBufferPointer<Float>
    ) throws -> Void
  ) throws {
    try withoutActuallyEscaping(body) { body in
      let caller = TensorCaller(body)
      visit(caller)
      if let error = caller.error { throw error }
    }
  }

  mutating func visit(_ host: any TensorHost) {
    var visitor = ParameterVisitor(host)
    visitParameters(&visitor)
  }
}

extension ParameterLayout {
  /// The tensors of a model, in the order of its visit, in the group of those that name none.
  ///
  /// - Throws: ``DescentError/layout(name:reason:)`` for a name that is given twice, or a shape
  ///   that has another number of elements than its tensor.
  public init(of model: some ParameterVisitable, alignment: Int = 4) throws {
    try self.init(alignment: alignment)
    let host = TensorLister(self)
    var model = model
    model.visit(host)
    if let error = host.error { throw error }
    self = host.layout
  }
}

/// Makes a layout of what is visited.
private final class TensorLister: TensorHost {
  let needsShapes = true
  let changes = false
  var layout: ParameterLayout
  var error: (any Error)?

  init(_ layout: ParameterLayout) { self.layout = layout }

  func visit(_ name: TensorName, _ shape: [Int], _ elements: inout [Float]) {
    append(name, shape, elements.count)
  }

  func visit(
    _ name: TensorName, _ shape: [Int], _ elements: UnsafeMutableBufferPointer<Float>,
    _ memory: TensorMemory
  ) {
    append(name, shape, elements.count)
  }

  private func append(_ name: TensorName, _ shape: [Int], _ count: Int) {
    if error != nil { return }
    do {
      let name = name.description
      try layout.append(name, shape: shape)
      if let tensor = layout[name], tensor.count != count {
        throw DescentError.layout(
          name: name,
          reason: "the shape \(shape) is of \(tensor.count) elements, and it has \(count)")
      }
    } catch {
      self.error = error
    }
  }
}

/// Shows what is visited to a closure.
private final class TensorCaller: TensorHost {
  typealias Body = (String, [Int], UnsafeMutableBufferPointer<Float>) throws -> Void

  let needsShapes = true
  let changes = true
  let body: Body
  var error: (any Error)?

  init(_ body: @escaping Body) { self.body = body }

  func visit(_ name: TensorName, _ shape: [Int], _ elements: inout [Float]) {
    if error != nil { return }
    elements.withUnsafeMutableBufferPointer { visit(name, shape, $0, .lent) }
  }

  func visit(
    _ name: TensorName, _ shape: [Int], _ elements: UnsafeMutableBufferPointer<Float>,
    _ memory: TensorMemory
  ) {
    if error != nil { return }
    do { try body(name.description, shape, elements) } catch { self.error = error }
  }
}
