internal import DescentKernels

extension HostStates {
  /// A pass of a program over elements; nil where the program has none.
  func elementsPass(
    _ index: Int, of program: Int, _ updates: [descent_update?], _ values: GroupValues.Layout
  ) -> HostProgram? {
    let (own, arrays) = (programs.list[program], ofPrograms[program].arrays)
    guard index < own.passes.count, own.passes[index].shape == .parameter,
      let update = updates[index]
    else { return nil }
    let operands = own.operands(ofPass: index).map { operand in
      switch operand.name {
      case .parameters: HostOperand(place: .parameters, memory: nil)
      case .gradients: HostOperand(place: .gradients, memory: nil)
      case .term(let term):
        own.sumsTiles(ofPass: index)
          ? HostOperand(place: .scratch(term), memory: nil)
          : HostOperand(place: .layout, memory: terms.arrays[term])
      case .state(let state), .number(let state):
        HostOperand(place: .states, memory: arrays[state])
      case .remainder, .master, .sum, .average: HostOperand(place: .layout, memory: nil)
      }
    }
    return HostProgram(
      update, operands: operands,
      numbers: own.numbers(ofPass: index).map {
        HostNumbers(shape: own.states[$0].shape, memory: arrays[$0].floats)
      }, values: values, isLast: own.passes[index].work == .elements,
      isFused: own.sumsTiles(ofPass: index),
      readsGradients: own.operands(ofPass: index).contains { $0.name == .gradients && $0.isRead })
  }

  /// A pass of a program over numbers, for a step with such tensors left out and groups idle; nil
  /// where the program has none.
  func numberPass(
    _ index: Int, of program: Int, leftOut: [Bool], isIdle: (Int) -> Bool,
    _ update: descent_update?, _ values: GroupValues.Layout
  ) -> HostNumberPass? {
    let (own, arrays) = (programs.list[program], ofPrograms[program].arrays)
    guard index < own.passes.count, case .numbers(let shape) = own.passes[index].work, let update
    else { return nil }
    let operands = own.operands(ofPass: index).compactMap { operand in
      if case .number(let state) = operand.name { arrays[state] } else { nil }
    }
    let numbers = own.numbers(ofPass: index)
    let stretches = programs.stretches(
      ofNumbers: shape, program: program, leftOut: leftOut, isIdle: isIdle)
    return HostNumberPass(
      update, values,
      stretches.map { stretch in
        HostNumberPass.Part(
          group: stretch.group, count: stretch.range.count,
          operands: operands.map { ($0 + stretch.range.lowerBound).floats },
          numbers: numbers.map {
            descent_number(
              at: (arrays[$0] + stretch.place.index(of: own.states[$0].shape)).floats, step: 0)
          } + [descent_number(at: nil, step: 0)])
      })
  }
}

/// A pass over the numbers of a shape, tensor by tensor: there are few of them.
struct HostNumberPass {
  struct Part {
    let group: Int
    let count: Int
    let operands: [UnsafeMutablePointer<Float>?]
    let numbers: [descent_number]
  }

  private let kernel: descent_update
  private let values: GroupValues.Layout
  private let parts: [Part]

  init(_ kernel: descent_update, _ values: GroupValues.Layout, _ parts: [Part]) {
    (self.kernel, self.values, self.parts) = (kernel, values, parts)
  }

  func run() {
    for part in parts {
      guard let values = values.of(part.group) else { continue }
      part.operands.withUnsafeBufferPointer { operands in
        part.numbers.withUnsafeBufferPointer { numbers in
          kernel(
            operands.baseAddress, numbers.baseAddress, part.count, values.preparation,
            values.scalars)
        }
      }
    }
  }
}

/// The work between passes over elements: sums, and passes over numbers and matrices.
final class HostBetween {
  let isFrozen: [Bool]
  let leftOut: [Bool]
  /// By pass.
  private let sums: [[HostSums]]
  private let numbers: [[HostNumberPass]]
  private let matrices: [[HostMatrices]]
  private let instructions: HostKernels

  init(
    _ programs: RulePrograms, _ states: HostStates, isFrozen: [Bool], leftOut: [Bool],
    _ updates: [[descent_update?]], _ values: [GroupValues.Layout], _ instructions: HostKernels,
    _ memory: MatrixMemory?, threads: Int
  ) {
    (self.isFrozen, self.leftOut, self.instructions) = (isFrozen, leftOut, instructions)
    let passes = 0..<programs.passCount
    let withPass = passes.map { pass in
      programs.list.indices.filter { pass < programs.list[$0].passes.count }
    }
    sums = passes.map { pass in
      withPass[pass].filter { !programs.list[$0].passes[pass].sums.isEmpty }.map {
        HostSums(
          programs, program: $0, pass: pass, leftOut: leftOut, isIdle: { isFrozen[$0] },
          terms: states.terms.arrays, states: states.ofPrograms[$0].arrays, threads: threads)
      }
    }
    numbers = passes.map { pass in
      withPass[pass].compactMap {
        states.numberPass(
          pass, of: $0, leftOut: leftOut, isIdle: { isFrozen[$0] }, updates[$0][pass], values[$0])
      }
    }
    matrices = passes.map { pass in
      withPass[pass].compactMap {
        HostMatrices(
          programs, program: $0, pass: pass, leftOut: leftOut, isIdle: { isFrozen[$0] },
          states: states.ofPrograms[$0].arrays, memory: memory, instructions, threads: threads)
      }
    }
  }

  /// - Parameter work: the pass over elements, which fused sums run.
  func run(_ pass: Int, _ work: Pass, _ pool: WorkerPool?) {
    for sums in sums[pass] { sums.run(work, instructions, pool) }
    for numbers in numbers[pass] { numbers.run() }
    for matrices in matrices[pass] { matrices.run(instructions, pool) }
  }
}
