internal import DescentKernels

/// ``NewtonSchulz`` in plain Swift, number by number in the one order that all engines keep. The
/// same for devices and for this processor: Kernels/matrix.cl.
enum ReferenceNewtonSchulz<T: BinaryFloatingPoint> {
  /// Rows of equal length.
  private struct Matrix {
    var rows: Int
    var columns: Int
    var elements: [T]

    init(rows: Int, columns: Int, _ element: (Int, Int) -> T) {
      (self.rows, self.columns) = (rows, columns)
      elements = []
      elements.reserveCapacity(rows * columns)
      for i in 0..<rows {
        for j in 0..<columns { elements.append(element(i, j)) }
      }
    }

    subscript(i: Int, j: Int) -> T {
      get { elements[i * columns + j] }
      set { elements[i * columns + j] = newValue }
    }

    var transposed: Matrix { Matrix(rows: columns, columns: rows) { self[$1, $0] } }
  }

  /// Replaces a matrix of row-major elements by its iterate, which begins with the matrix divided
  /// by a number.
  static func iterate(
    _ memory: UnsafeMutablePointer<T>, rows: Int, columns: Int, dividedBy divisor: T,
    _ iteration: NewtonSchulz
  ) {
    let isTall = rows > columns
    var x = Matrix(rows: min(rows, columns), columns: max(rows, columns)) { i, j in
      (isTall ? memory[j * columns + i] : memory[i * columns + j]) / divisor
    }
    if NewtonSchulz.usesGramForm(shorter: x.rows, longer: x.columns) {
      for count in iteration.runs { overGramMatrices(&x, count, iteration) }
    } else {
      for _ in 0..<iteration.steps { step(&x, iteration) }
    }
    for i in 0..<x.rows {
      for j in 0..<x.columns {
        if isTall { memory[j * columns + i] = x[i, j] } else { memory[i * columns + j] = x[i, j] }
      }
    }
  }

  private static func step(_ x: inout Matrix, _ iteration: NewtonSchulz) {
    let k = square(x, x)
    let polynomial = square(k, k, times: T(iteration.c), plus: T(iteration.b), k)
    x = product(polynomial, x.transposed, plus: T(iteration.a), x)
  }

  private static func overGramMatrices(
    _ x: inout Matrix, _ count: Int, _ iteration: NewtonSchulz
  ) {
    let a = T(iteration.a)
    var gram = square(x, x)
    var q: Matrix?
    for step in 0..<count {
      var z = square(gram, gram, times: T(iteration.c), plus: T(iteration.b), gram)
      if step < count - 1 {
        let t = square(z, gram, plus: a, gram)
        gram = square(z, t, plus: a, t)
      }
      if let last = q {
        q = square(z, last, plus: a, last)
      } else {
        for i in 0..<z.rows { z[i, i] += a }
        q = z
      }
    }
    if let q { x = product(q, x.transposed) }
  }

  /// β D + α A Bᵀ.
  private static func product(
    _ a: Matrix, _ b: Matrix, times alpha: T = 1, plus beta: T = 0, _ d: Matrix? = nil
  ) -> Matrix {
    Matrix(rows: a.rows, columns: b.rows) { i, j in
      element(a, i, b, j, alpha, beta, d)
    }
  }

  /// The same where the result is symmetric: its lower triangle, mirrored.
  private static func square(
    _ a: Matrix, _ b: Matrix, times alpha: T = 1, plus beta: T = 0, _ d: Matrix? = nil
  ) -> Matrix {
    var result = Matrix(rows: a.rows, columns: b.rows) { _, _ in 0 }
    for i in 0..<a.rows {
      for j in 0...i {
        result[i, j] = element(a, i, b, j, alpha, beta, d)
        result[j, i] = result[i, j]
      }
    }
    return result
  }

  private static func element(
    _ a: Matrix, _ i: Int, _ b: Matrix, _ j: Int, _ alpha: T, _ beta: T, _ d: Matrix?
  ) -> T {
    let sum = a.elements.withUnsafeBufferPointer { left in
      b.elements.withUnsafeBufferPointer { right in
        dot(
          UnsafeBufferPointer(rebasing: left[i * a.columns..<(i + 1) * a.columns]),
          UnsafeBufferPointer(rebasing: right[j * b.columns..<(j + 1) * b.columns]))
      }
    }
    let product = alpha * sum
    guard let d else { return product }
    return beta * d[i, j] + product
  }

  /// A chain of fused multiplications and additions for each panel, and the panels' sums in order.
  @specialized(where T == Float)
  private static func dot(_ a: UnsafeBufferPointer<T>, _ b: UnsafeBufferPointer<T>) -> T {
    var sum: T = 0
    for panel in stride(from: 0, to: a.count, by: Int(DESCENT_PANEL)) {
      var chain: T = 0
      for k in panel..<min(panel + Int(DESCENT_PANEL), a.count) {
        chain = chain.addingProduct(a[k], b[k])
      }
      // The first is stored, not added to 0: −0 stays −0.
      sum = panel == 0 ? chain : sum + chain
    }
    return sum
  }
}
