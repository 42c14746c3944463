/// A vector that a pass over elements reads, and perhaps writes. A kernel takes its operands in the
/// order of their list.
struct Operand: Hashable {
  enum Name: Hashable {
    case parameters, gradients
    /// By its place among the rule's states.
    case state(Int)
    /// A term of each element for sums, by its place.
    case term(Int)
    /// A number of another shape, in a pass over such numbers, by its place among the rule's
    /// states.
    case number(Int)
    /// Of parameters in bfloat16, and the Floats of those in Float16: ``Storage``.
    case remainder, master
    /// Of earlier gradients: ``Optimizer/accumulate(_:)``.
    case sum
    /// Of the parameters: ``Optimizer/averaging``.
    case average
  }

  let name: Name
  var isRead = true
  var isWritten = false
  var elementType = ElementType.float32

  /// Bytes that a pass moves for each element.
  var bytesPerElement: Int { elementType.size * ((isRead ? 1 : 0) + (isWritten ? 1 : 0)) }
}

/// What decides about operands besides the rule: the type of the gradients, and the operations that
/// a step fuses with its rules.
struct Beside: Hashable {
  var gradientType = ElementType.float32
  /// Whether the gradient is 0 afterwards.
  var zeroes = false
  var accumulates = false
  var averages = false
}

extension RulePrograms.Program {
  /// The operands of a pass, in the order of its kernels.
  func operands(ofPass index: Int, _ beside: Beside = Beside()) -> [Operand] {
    let pass = passes[index]
    if case .numbers(let shape) = pass.work {
      return numbers(of: shape).map { Operand(name: .number($0), isWritten: true) }
    }
    let isLast = pass.work == .elements
    func reads(_ input: RulePass.Input) -> Bool { pass.inputs?.contains(input) ?? true }
    var list = [
      Operand(
        name: .parameters,
        isRead: (isLast || reads(.parameters)) && storage.companion?.copiesParameters != true,
        isWritten: isLast, elementType: storage.parameterType),
      Operand(
        name: .gradients, isRead: reads(.gradients), isWritten: isLast && beside.zeroes,
        elementType: beside.gradientType),
    ]
    list += elements.map { state in
      Operand(
        name: .state(state), isRead: pass.writesStates || reads(.state(states[state].name)),
        isWritten: pass.writesStates)
    }
    list += (0..<pass.termCount).map { Operand(name: .term($0), isRead: false, isWritten: true) }
    if let companion = storage.companion {
      list.append(
        Operand(
          name: companion.operand, isRead: isLast || reads(.parameters), isWritten: isLast,
          elementType: companion.type))
    }
    if beside.accumulates { list.append(Operand(name: .sum, isRead: reads(.gradients))) }
    if beside.averages && isLast { list.append(Operand(name: .average, isWritten: true)) }
    return list
  }
}

/// How many vectors of the parameters' shape a pass over memory only reads, and how many it
/// updates.
package struct PassStreams: Hashable, Sendable {
  package var read: Int
  package var written: Int

  package init(read: Int, written: Int) { (self.read, self.written) = (read, written) }
}

extension UpdateRule {
  /// The streams of each pass over memory. A term that is not summed tile by tile is a stream of
  /// its pass, and is read again by a pass of its own.
  package var passStreams: [PassStreams] {
    let program = RulePrograms.Program(self)
    return program.passes.indices.filter { program.passes[$0].shape == .parameter }.flatMap {
      let operands = program.operands(ofPass: $0)
      let isFused = program.sumsTiles(ofPass: $0)
      let (terms, sums) =
        isFused ? (0, 0) : (program.passes[$0].termCount, program.passes[$0].sums.count)
      let own = PassStreams(
        read: operands.count { $0.isRead && !$0.isWritten },
        written: operands.count { $0.isRead && $0.isWritten } + terms)
      return [own] + Array(repeating: PassStreams(read: 1, written: 0), count: sums)
    }
  }

  /// Bytes that a step moves for each parameter: each operand of a pass is read once and perhaps
  /// written. Terms that are not summed tile by tile are written, and read by each of their sums.
  ///
  /// Not counted: the other terms, which a GPU writes and reads too, and numbers of other shapes.
  package var bytesPerElement: Int {
    let program = RulePrograms.Program(self)
    return program.passes.indices.filter { program.passes[$0].shape == .parameter }.reduce(0) {
      $0 + program.bytesPerElement(ofPass: $1)
    }
  }
}

extension RulePrograms.Program {
  fileprivate func bytesPerElement(ofPass index: Int) -> Int {
    let isFused = sumsTiles(ofPass: index)
    return operands(ofPass: index).reduce(
      isFused ? 0 : passes[index].sums.count * ElementType.float32.size
    ) { bytes, operand in
      if case .term = operand.name, isFused { return bytes }
      return bytes + operand.bytesPerElement
    }
  }
}
