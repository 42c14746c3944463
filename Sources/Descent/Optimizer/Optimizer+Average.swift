/// How an average follows the parameters: e ← e + (1 − d)(x − e) after every applied step, x as the
/// step has left it, in the step's own pass. It costs that pass 8 bytes for each element.
///
/// Before the first step that has it, the average is a copy of the parameters, frozen groups' too,
/// whether that step is then skipped or not. Skipped steps leave it alone, and frozen groups and
/// tensors left out their part of it: ``Optimizer/averaging`` says how other libraries differ. With
/// ``Nesterov`` it averages the look-ahead point, which is what steps update.
public struct ParameterAverage: Hashable, Codable, Sendable {
  /// d, at least 0 and below 1: the average reaches back over some 1/(1 − d) steps.
  public var decay: Double

  /// Of any decay; the next step refuses one that is out of its range.
  public init(decay: Double = 0.999) { self.decay = decay }

  /// 1 − d.
  var weight: Float { Float(1 - decay) }

  /// Throws ``DescentError/value(of:given:allowed:)`` for a decay out of its range.
  func validate() throws(DescentError) {
    let allowed = Hyperparameter<ParameterAverage>.Allowed.fromZeroToBelowOne
    guard allowed.contains(decay) else {
      throw .value(of: "averaging: decay", given: "\(decay)", allowed: allowed.description)
    }
  }
}

extension Optimizer {
  static let averageName = "average"

  /// The average of the parameters, in their layout: see ``averaging``. Waits for enqueued steps.
  /// Throws ``DescentError`` where none is kept or no step has been taken yet.
  public func average() throws -> [Float] { try state(Self.averageName) }

  /// The same of one tensor.
  public func average(of tensor: String) throws -> [Float] {
    try state(Self.averageName, of: tensor)
  }

  /// Replaces parameters by their ``average()``, in a copy to evaluate or to publish:
  ///
  ///     var averaged = model
  ///     try optimizer.writeAverage(into: &averaged)
  ///
  /// The vector is of Floats, or of what the parameters are, to which the average is rounded.
  /// Elements between the layout's tensors stay as they are. Throws ``DescentError``, and changes
  /// nothing, where no average has begun or the vector is not the layout's.
  public func writeAverage(
    into parameters: inout some MutableVector & ~Copyable & ~Escapable
  ) throws {
    try parameters.withMutableVectorMemory(for: use(.parameters)) { memory in
      try checkCount("parameters", memory.count)
      let isFloat = memory.pieces.type == .float32
      let pieces = try memory.elements(
        of: "parameters", as: isFloat ? .float32 : storage.parameterType)
      let average = try average()
      HostVector(pieces).forEachPart(of: layout.occupied) { range, part in
        withDefaultFloatingPoint {
          for index in range { part.set(average[index], at: index - range.lowerBound) }
        }
      }
    }
  }
}
