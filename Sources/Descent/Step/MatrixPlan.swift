internal import DescentKernels

/// A tensor as a matrix: its first size by the product of the others.
struct TensorMatrix: Equatable {
  let rows: Int
  let columns: Int
  /// Where it begins in the program's states.
  let start: Int
  /// The index of the tensor's number.
  let number: Int

  var shorter: Int { min(rows, columns) }
  var longer: Int { max(rows, columns) }
  var count: Int { rows * columns }
  var usesGramForm: Bool { NewtonSchulz.usesGramForm(shorter: shorter, longer: longer) }

  /// Numbers that an iteration needs beside the matrix: another one, and square matrices.
  var workspace: Int {
    count + NewtonSchulz.squares(inGramForm: usesGramForm) * shorter * shorter
  }
}

extension RulePrograms {
  /// Throws ``DescentError/layout(name:reason:)`` for a tensor that is no matrix where its rule
  /// needs one.
  ///
  /// - Parameter rules: by group.
  func checkMatrices(_ rules: [any UpdateRule]) throws {
    for tensor in layout.tensors {
      guard list[program(of: tensor)].needsMatrices,
        let group = layout.groupNames.firstIndex(of: tensor.group)
      else { continue }
      let name = type(of: rules[group]).name
      if tensor.shape.count < 2 {
        throw DescentError.layout(
          name: tensor.name,
          reason:
            "\(name) is for matrices, and its shape is \(tensor.shape); give it a group with a "
            + "rule of its own: layout.assign(to: \"others\") { $0.shape.count < 2 } and "
            + "Optimizer(…, rules: [\"others\": AdamW()])")
      }
      let rows = tensor.shape[0]
      let columns = tensor.count / max(1, rows)
      if max(rows, columns) > Int(Int32.max) {
        throw DescentError.layout(
          name: tensor.name,
          reason: "\(name) takes matrices of up to \(Int32.max) rows and columns, not "
            + "\(rows) × \(columns)")
      }
    }
  }

  /// The matrices that a program's iterations are over, in the order of the layout.
  ///
  /// - Parameter isIdle: whether a group is frozen.
  func matrices(
    of program: Int, leftOut: [Bool] = [], isIdle: (Int) -> Bool = { _ in false }
  ) -> [TensorMatrix] {
    guard list[program].needsMatrices else { return [] }
    return layout.tensors.indices.compactMap { index in
      let tensor = layout.tensors[index]
      guard let group = layout.groupNames.firstIndex(of: tensor.group),
        ofGroup[group] == program, !isIdle(group), tensor.count > 0,
        leftOut.isEmpty || !leftOut[index]
      else { return nil }
      let rows = tensor.shape.first ?? 1
      return TensorMatrix(
        rows: rows, columns: tensor.count / rows,
        start: states[program].place(of: tensor.range).lowerBound,
        number: map(.tensor, of: program)?[index].lowerBound ?? 0)
    }
  }
}

extension NewtonSchulz {
  /// Square matrices that an iteration needs.
  static func squares(inGramForm: Bool) -> Int { inGramForm ? 4 : 2 }

  /// The steps of the iteration over a matrix in its state, where the result is at the end.
  func steps(inGramForm: Bool) -> [descent_matrix_step] {
    // The matrix moves between the state and the workspace.
    let moves = inGramForm ? runs.count : steps
    var place = UInt32(moves.isMultiple(of: 2) ? DESCENT_MATRIX : DESCENT_OTHER)
    var list = [
      descent_matrix_step(
        kind: UInt32(DESCENT_QUOTIENT), out: place, first: 0, second: 0,
        addend: UInt32(DESCENT_MATRIX), adds: 0, alpha: 0, beta: 0)
    ]
    func product(
      _ out: UInt32, _ first: UInt32, _ second: UInt32, times alpha: Double = 1,
      plus beta: Double = 0, _ addend: UInt32? = nil
    ) {
      list.append(
        descent_matrix_step(
          kind: UInt32(DESCENT_PRODUCT), out: out, first: first, second: second,
          addend: addend ?? 0, adds: addend == nil ? 0 : 1, alpha: Float(alpha), beta: Float(beta)))
    }
    func move(by factor: UInt32, plus beta: Double? = nil) {
      let next = UInt32(DESCENT_MATRIX) + UInt32(DESCENT_OTHER) - place
      product(next, factor, place, plus: beta ?? 0, beta == nil ? nil : place)
      place = next
    }
    let squares = (0..<4).map { UInt32(DESCENT_SQUARE) + $0 }
    if !inGramForm {
      for _ in 0..<steps {
        product(squares[0], place, place)
        product(squares[1], squares[0], squares[0], times: c, plus: b, squares[0])
        move(by: squares[1], plus: a)
      }
      return list
    }
    for count in runs {
      let gram = squares[0]
      var free = Array(squares.dropFirst())
      product(gram, place, place)
      var q: UInt32?
      for step in 0..<count {
        let z = free.removeFirst()
        product(z, gram, gram, times: c, plus: b, gram)
        if step < count - 1 {
          product(free[0], z, gram, plus: a, gram)
          product(gram, z, free[0], plus: a, free[0])
        }
        if let last = q {
          let next = free.removeFirst()
          product(next, z, last, plus: a, last)
          free += [last, z]
          q = next
        } else {
          list.append(
            descent_matrix_step(
              kind: UInt32(DESCENT_DIAGONAL), out: z, first: 0, second: 0, addend: 0, adds: 0,
              alpha: Float(a), beta: 0))
          q = z
        }
      }
      if let q { move(by: q) }
    }
    return list
  }
}

/// An iteration over the matrices of a program: batches, each with a launch for every step.
struct MatrixPlan {
  struct Batch {
    let steps: [descent_matrix_step]
    let matrices: [descent_matrix]
    /// The piece of the states that has them.
    let piece: Int
  }

  let batches: [Batch]

  /// - Parameters:
  ///   - matrices: whose state is iterated.
  ///   - pieces: how that is cut, in no case through a matrix.
  ///   - workspace: how many numbers a batch may need, unless it is one matrix.
  init(
    _ iteration: NewtonSchulz, over matrices: [TensorMatrix], pieces: Pieces, workspace: Int
  ) {
    batches = [false, true].flatMap { isGram in
      let steps = iteration.steps(inGramForm: isGram)
      return pieces.indices.flatMap { piece in
        var batches: [[descent_matrix]] = []
        var used = 0
        for matrix in matrices
        where matrix.usesGramForm == isGram && pieces[piece].contains(matrix.start) {
          if batches.isEmpty || used + matrix.workspace > workspace {
            batches.append([])
            used = 0
          }
          let start = matrix.start - pieces[piece].lowerBound
          batches[batches.count - 1].append(descent_matrix(matrix, start: start, workspace: used))
          used += matrix.workspace
        }
        return batches.map { Batch(steps: steps, matrices: $0, piece: piece) }
      }
    }
  }

  /// How many numbers the workspace of any batch has, whichever matrices are left out.
  static func workspace(of matrices: [TensorMatrix], atMost limit: Int) -> Int {
    let sizes = matrices.map(\.workspace)
    return min(sizes.reduce(0, +), max(limit, sizes.max() ?? 0))
  }
}

extension descent_matrix {
  fileprivate init(_ matrix: TensorMatrix, start: Int, workspace: Int) {
    let isTall = matrix.rows > matrix.columns
    self.init(
      state: UInt64(start), other: UInt64(workspace), squares: UInt64(workspace + matrix.count),
      rows: UInt32(matrix.shorter), columns: UInt32(matrix.longer),
      rowStride: UInt32(isTall ? 1 : matrix.columns),
      columnStride: UInt32(isTall ? matrix.columns : 1), number: UInt32(matrix.number), unused: 0)
  }
}

extension MatrixPlan.Batch {
  /// The blocks of a step's result: all of a matrix, or those that reach the diagonal of a square
  /// one or are below it. Rows with more blocks come first, so that threads end together.
  func blocks(
    ofSquare isSquare: Bool, rows: Int, columns: Int
  ) -> [descent_matrix_block] {
    matrices.enumerated().flatMap { index, matrix in
      let (height, width) = (Int(matrix.rows), Int(isSquare ? matrix.rows : matrix.columns))
      return stride(from: 0, to: height, by: rows).reversed().flatMap { row in
        stride(from: 0, to: isSquare ? min(row + rows, width) : width, by: columns).map {
          descent_matrix_block(
            matrix: UInt32(index), row: UInt32(row), column: UInt32($0), unused: 0)
        }
      }
    }
  }
}

extension descent_matrix_step {
  /// Whether the result is a square matrix.
  var isSquare: Bool { out >= UInt32(DESCENT_SQUARE) }
}
